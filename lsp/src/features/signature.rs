//! Signature help: the parameters of the call around the cursor.

use lsp_types::{
    Documentation, MarkupContent, MarkupKind, ParameterInformation, ParameterLabel, SignatureHelp, SignatureHelpParams,
    SignatureInformation,
};
use stead_compiler::index::{Callee, DefinitionKind};

use super::completion::probe;
use super::describe;
use crate::snapshot::Snapshot;

/// Tells the parameters of the call around a place.
pub(crate) fn signature_help(snapshot: &Snapshot, params: SignatureHelpParams) -> Option<SignatureHelp> {
    help(snapshot, snapshot.offset(params.text_document_position_params.position))
}

fn help(snapshot: &Snapshot, offset: u32) -> Option<SignatureHelp> {
    // As it is written; else as if an argument stood there.
    let index = snapshot.index()?;
    let found = index.call_at(offset).cloned().map(|call| (call, offset));
    let (call, at) = match found.filter(|(call, _)| call.args.iter().any(|arg| arg.span.touches(offset))) {
        Some(found) => found,
        None => {
            let place = probe(snapshot, offset)?;
            (place.index.call_at(place.at)?.clone(), place.at)
        }
    };
    let argument = call.args.iter().find(|arg| arg.span.touches(at));
    let active = match argument {
        Some(argument) => argument.parameter,
        None => Some(call.args.iter().filter(|arg| arg.span.end < at).count()),
    };
    let (label, docs, names): (String, String, Vec<(String, String)>) = match &call.callee {
        Callee::Defined(place) => {
            let definition = snapshot.project.definition_at(place)?;
            let params = definition.params.iter().map(|param| {
                let default = if param.has_default { " = …" } else { "" };
                (format!("{}: {}{default}", param.name, snapshot.shown_type(&param.ty)), param.docs.to_string())
            });
            let params: Vec<(String, String)> = params.collect();
            let result = match definition.kind {
                DefinitionKind::Function => format!(" -> {}", snapshot.shown_type(&definition.ty)),
                _ => String::new(),
            };
            let list: Vec<&str> = params.iter().map(|(param, _)| &**param).collect();
            (format!("{}({}){result}", definition.name, list.join(", ")), definition.docs.to_string(), params)
        }
        Callee::Builtin(_, builtin) => {
            let signature = &builtin.0.signature;
            let params = signature.params.iter().map(|param| {
                let mark = if param.optional { "?" } else { "" };
                (format!("{}{mark}: {}", param.name, param.shape), String::new())
            });
            (signature.to_string(), builtin.0.docs.to_owned(), params.collect())
        }
        Callee::Special(name) => {
            let (_, signature, docs) = describe::SPECIAL.iter().find(|(known, ..)| **known == **name)?;
            let inside = signature.split_once('(')?.1.split_once(')')?.0;
            let params = inside.split(", ").map(|param| (param.to_owned(), String::new())).collect();
            ((*signature).to_owned(), (*docs).to_owned(), params)
        }
    };
    let mut from = 0;
    let parameters = names.into_iter().map(|(param, docs)| {
        let offsets = label[from..].find(&param).map(|at| {
            let start = from + at;
            from = start + param.len();
            let units = |text: &str| snapshot.encoding.length(text);
            [units(&label[..start]), units(&label[..start + param.len()])]
        });
        let docs = Some(docs).filter(|docs| !docs.is_empty());
        ParameterInformation {
            label: offsets.map_or(ParameterLabel::Simple(param), ParameterLabel::LabelOffsets),
            documentation: docs.map(Documentation::String),
        }
    });
    let parameters: Vec<ParameterInformation> = parameters.collect();
    let active = active.and_then(|active| u32::try_from(active).ok());
    let documentation = Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: docs });
    let signature = SignatureInformation {
        label,
        documentation: Some(documentation),
        parameters: Some(parameters),
        active_parameter: active,
    };
    Some(SignatureHelp { signatures: vec![signature], active_signature: Some(0), active_parameter: active })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[track_caller]
    fn check(text: &str, label: &str, active: Option<u32>) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let help = super::help(&snapshot, offset).expect("help");
        assert_eq!((&*help.signatures[0].label, help.active_parameter), (label, active));
    }

    #[test]
    fn calls_are_told() {
        check("state w(a: Int, b: Port = 80) { }\nnode \"n\" { w($0) }\n", "w(a: Int, b: Port = …)", Some(0));
        check("state w(a: Int, b: Port = 80) { }\nnode \"n\" { w(1, $0) }\n", "w(a: Int, b: Port = …)", Some(1));
        check("state w(a: Int, b: Port = 80) { }\nnode \"n\" { w(b = 8$0) }\n", "w(a: Int, b: Port = …)", Some(1));
        check(
            "file \"/x\" { content = template(\"a.j2\", $0) }\n",
            "template(path: String, variables: Record?) -> String",
            Some(1),
        );
        check("fn f(a: Int) -> Int = a\nfn g() -> Int = f($0\n", "f(a: Int) -> Int", Some(0));
    }
}
