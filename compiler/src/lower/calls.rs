//! State calls: arguments, data bound by name, defaults, and where each value came from.

use std::sync::Arc;

use stead_catalog::{Origin, Schema, SourceLocation, Value};

use super::{Lowering, MAX_ISSUES};
use crate::eval::{CallSite, Halt};
use crate::hir::{self, Settings};
use crate::issue::Issue;
use crate::provenance;

/// Most states that call one another, one inside the other.
const MAX_STATE_DEPTH: usize = 200;

/// Where the value of a parameter came from.
#[derive(Clone, Debug)]
pub(crate) struct ParamSource {
    /// The steps in words, with their places, in the order of time.
    pub(crate) steps: Vec<(String, Option<SourceLocation>)>,
}

impl Lowering<'_> {
    pub(super) fn call(&mut self, call: &hir::Call) -> Result<(), Halt> {
        let first = self.out.drafts.len();
        let (first_absent, first_failed) = (self.out.absent.len(), self.out.failed.len());
        match self.state(call) {
            Ok(()) => {}
            Err(Halt) if self.eval.budget.is_spent || self.eval.issues.len() > MAX_ISSUES => return Err(Halt),
            // What else the state declares is not known; other statements go on.
            Err(Halt) => self.out.is_incomplete = true,
        }
        if let Some(slot) = call.slot {
            let declared = self.out.drafts[first..].iter().map(|draft| &draft.id);
            let others = self.out.absent[first_absent..].iter().chain(&self.out.failed[first_failed..]);
            let refs = Value::list(declared.chain(others).map(|id| Value::Ref(id.clone())));
            self.eval.set(slot, refs);
        }
        Ok(())
    }

    fn state(&mut self, call: &hir::Call) -> Result<(), Halt> {
        let project = self.eval.world.project;
        let code = &project.code.states[call.state as usize];
        let state = &project.program.states[call.state as usize];
        let is_outermost = self.path.is_empty();
        if self.path.len() >= MAX_STATE_DEPTH {
            return Err(self.eval.too_large(&format!("{MAX_STATE_DEPTH} states inside one another"), call.span));
        }
        let mut values: Vec<Option<Value>> = Vec::with_capacity(call.args.len());
        let mut sources: Vec<ParamSource> = Vec::with_capacity(call.args.len());
        let mut failed: Vec<bool> = Vec::with_capacity(call.args.len());
        for (arg, param) in call.args.iter().zip(&state.params) {
            let mut source = ParamSource { steps: Vec::new() };
            let value = match arg {
                Some(arg) => {
                    source.steps = provenance::steps(arg, &self.sources, &self.derived, self.eval.world);
                    let location = project.location(self.eval.loc(arg.span));
                    source.steps.push((format!("parameter `{}` of `{}`", param.name, state.name.name), Some(location)));
                    self.eval.eval(arg).map(Some)
                }
                None if is_outermost => self.bound_by_data(&state.name.name, param, call.span, &mut source),
                None => Ok(None),
            };
            failed.push(value.is_err());
            values.push(value.unwrap_or(None));
            sources.push(source);
        }
        let at = self.eval.loc(call.span);
        self.eval.trace.push(CallSite { name: state.name.name.clone(), at });
        if failed.contains(&true) {
            // What is missing as well is told in the same run.
            let is_missing = |i: usize| !failed[i] && values[i].is_none() && is_needed(code, state, i);
            (0..values.len()).filter(|i| is_missing(*i)).for_each(|i| self.missing(call, i));
            self.eval.trace.pop();
            return Err(Halt);
        }
        self.out.states.insert(call.state);
        let path: Arc<[Arc<str>]> = self.path.iter().cloned().chain([state.name.name.clone()]).collect();
        let calls: Arc<[_]> = [(state.name.name.clone(), at)].into_iter().chain(self.calls.iter().cloned()).collect();
        let old = (
            std::mem::replace(&mut self.path, path),
            std::mem::replace(&mut self.calls, calls),
            std::mem::take(&mut self.sources),
            std::mem::take(&mut self.defaults),
            std::mem::replace(&mut self.derived, provenance::Derived::new(state.params.len())),
        );
        let inherited = &project.code.top_defaults[code.file as usize];
        let result = self.inherit(code.file, &inherited[..code.inherited.min(inherited.len())]).and_then(|()| {
            self.enter(code.file, code.body.slots, |this| {
                this.fill(call, code, values, &mut sources)?;
                this.sources = sources;
                this.run(&code.body.stmts)
            })
        });
        (self.path, self.calls, self.sources, self.defaults, self.derived) = old;
        self.eval.trace.pop();
        result
    }

    /// Puts the arguments into the frame of the state and evaluates the defaults of the others.
    fn fill(
        &mut self,
        call: &hir::Call,
        code: &crate::check::StateCode,
        values: Vec<Option<Value>>,
        sources: &mut [ParamSource],
    ) -> Result<(), Halt> {
        let project = self.eval.world.project;
        let state = &project.program.states[call.state as usize];
        let mut missing = false;
        for (i, value) in values.into_iter().enumerate() {
            let value = match (value, &code.defaults[i]) {
                (Some(value), _) => value,
                (None, Some(default)) => {
                    let location = project.location(self.eval.loc(default.span));
                    let step = format!("default of parameter `{}` of `{}`", state.params[i].name, state.name.name);
                    sources[i].steps.push((step, Some(location)));
                    self.eval.eval(default)?
                }
                (None, None) if !is_needed(code, state, i) => Value::None,
                (None, None) => {
                    missing = true;
                    self.missing(call, i);
                    continue;
                }
            };
            self.eval.set(crate::defs::index(i), value);
        }
        if missing { Err(Halt) } else { Ok(()) }
    }

    fn missing(&mut self, call: &hir::Call, param: usize) {
        let program = &self.eval.world.project.program;
        let state = &program.states[call.state as usize];
        let param = &state.params[param];
        let Some(site) = self.eval.trace.pop() else { return };
        let message = format!("`{}` needs the argument `{}`", state.name.name, param.name);
        let issue = Issue::error("missing-argument", site.at, message)
            .label(crate::issue::Loc::new(state.at.file, param.span), "declared here")
            .hint(format!("give it in the call, or as `{}.{}` in the data", state.name.name, param.name));
        self.eval.fail(issue);
        self.eval.trace.push(site);
    }

    /// Looks a parameter up in the data, under the name of the state.
    fn bound_by_data(
        &mut self,
        state: &str,
        param: &crate::defs::Param,
        call: stead_grammar::ast::Span,
        source: &mut ParamSource,
    ) -> Result<Option<Value>, Halt> {
        let bound = provenance::from_data(self.eval.world, state, param);
        match bound {
            None => Ok(None),
            Some(Ok((value, steps))) => {
                let node = self.eval.world.data_tree.lookup([state, &*param.name]);
                let told = node.and_then(|node| crate::lints::deprecated::of_data(param, &node.file, node.span));
                self.eval.diagnostics.extend(told);
                source.steps = steps;
                Ok(Some(value))
            }
            Some(Err(found)) => {
                let file = self.eval.world.project.program.files[self.eval.file as usize].name.clone();
                let needed = format!("needed by `{state}`, called here");
                self.eval.diagnostics.extend(found.into_iter().map(|one| one.also(&file, call, needed.clone())));
                Err(Halt)
            }
        }
    }

    /// Where the values of a body came from, beyond what is written there.
    pub(super) fn origins(&self, settings: &Settings, schema: &Schema) -> Vec<Origin> {
        let mut origins = Vec::new();
        for setting in &settings.attributes {
            if setting.value.constant().is_some() {
                continue;
            }
            let attribute = &schema.attributes[setting.attribute as usize].name;
            let steps = provenance::steps(&setting.value, &self.sources, &self.derived, self.eval.world);
            origins.extend(steps.into_iter().map(|(step, location)| Origin { attribute: attribute.clone(), step, location }));
        }
        origins
    }
}

/// Says whether a state cannot run without a value for its parameter.
fn is_needed(code: &crate::check::StateCode, state: &crate::defs::Callable, param: usize) -> bool {
    code.defaults[param].is_none() && !matches!(state.params[param].ty, stead_catalog::Type::Optional(_))
}
