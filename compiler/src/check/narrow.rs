//! What a condition tells about optional values: after `x != none`, `x` is there.

use std::sync::Arc;

use stead_catalog::Type;
use stead_grammar::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp};

use super::scope::Checker;
use crate::typing;

/// Where a value is read from: a name and the fields after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadPath {
    root: Root,
    fields: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    Slot(u32),
    Global(u32),
    Facts,
}

/// What is known about values beyond their declared types, latest last.
#[derive(Debug, Default)]
pub(crate) struct Narrowings {
    known: Vec<(ReadPath, Type)>,
}

impl Narrowings {
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.known.truncate(len);
    }

    fn get(&self, path: &ReadPath) -> Option<&Type> {
        self.known.iter().rev().find(|(known, _)| known == path).map(|(_, ty)| ty)
    }
}

impl Checker<'_> {
    /// The narrowed type of an expression, if something is known about it.
    pub(crate) fn narrowed(&self, expr: &Expr) -> Option<Type> {
        if self.narrowings.len() == 0 {
            return None;
        }
        self.narrowings.get(&self.read_path(expr)?).cloned()
    }

    /// Records what holds where `condition` came out as `truth`.
    pub(crate) fn assume(&mut self, condition: &Expr, truth: bool) {
        match &condition.unparen().kind {
            ExprKind::Unary(unary) if unary.op == UnaryOp::Not => self.assume(&unary.operand, !truth),
            ExprKind::Binary(binary) => match (binary.op, truth) {
                (BinaryOp::And, true) | (BinaryOp::Or, false) => {
                    self.assume(&binary.left, truth);
                    self.assume(&binary.right, truth);
                }
                (BinaryOp::Ne, true) | (BinaryOp::Eq, false) => {
                    if is_none(&binary.right) {
                        self.assume_some(&binary.left);
                    } else if is_none(&binary.left) {
                        self.assume_some(&binary.right);
                    }
                }
                // `x == "a"`: a value that equals something that is there is itself there.
                (BinaryOp::Eq, true)
                    if !is_none(&binary.right) && matches!(binary.right.unparen().kind, ExprKind::Literal(_)) =>
                {
                    self.assume_some(&binary.left);
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Records that the value of `expr` is not `none`.
    pub(crate) fn assume_some(&mut self, expr: &Expr) {
        let Some(path) = self.read_path(expr) else { return };
        let Some(ty) = self.type_of_path(&path) else { return };
        if let Type::Optional(inner) = ty {
            self.narrowings.known.push((path, (*inner).clone()));
        }
    }

    fn read_path(&self, expr: &Expr) -> Option<ReadPath> {
        match &expr.unparen().kind {
            ExprKind::Name(name) => {
                let root = if let Some(local) = self.local(name) {
                    Root::Slot(local.slot)
                } else if let Some(global) = self.global(name) {
                    Root::Global(global.id)
                } else if &**name == "facts" {
                    Root::Facts
                } else {
                    return None;
                };
                Some(ReadPath { root, fields: Vec::new() })
            }
            ExprKind::Field(access) => {
                let mut path = self.read_path(&access.object)?;
                path.fields.push(access.name.name.clone());
                Some(path)
            }
            _ => None,
        }
    }

    fn type_of_path(&self, path: &ReadPath) -> Option<Type> {
        let prefix = |n: usize| ReadPath { root: path.root.clone(), fields: path.fields[..n].to_vec() };
        let mut ty = match self.narrowings.get(&prefix(0)) {
            Some(known) => known.clone(),
            None => match &path.root {
                Root::Slot(slot) => self.locals.iter().find(|local| local.slot == *slot)?.ty.clone(),
                Root::Global(id) => self.globals.iter().find(|global| global.id == *id)?.ty.clone(),
                Root::Facts => self.program.facts.clone(),
            },
        };
        for (i, name) in path.fields.iter().enumerate() {
            let object = typing::without_none(&ty);
            ty = match self.narrowings.get(&prefix(i + 1)) {
                Some(known) => known.clone(),
                None => match &object {
                    Type::Record(record) => record.fields.iter().find(|field| field.name == *name)?.ty.clone(),
                    _ => return None,
                },
            };
        }
        Some(ty)
    }
}

fn is_none(expr: &Expr) -> bool {
    matches!(expr.unparen().kind, ExprKind::Literal(Literal::None))
}
