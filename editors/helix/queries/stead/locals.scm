; Made by `cargo xtask codegen` of editors/tree-sitter-stead/queries/locals.scm.

(source_file) @local.scope
(state_declaration) @local.scope
(function_declaration) @local.scope
(block) @local.scope
(for_statement) @local.scope
(list_comprehension) @local.scope
(map_comprehension) @local.scope
(lambda) @local.scope
(match_arm) @local.scope

(let_statement name: (identifier) @local.definition)
(parameter name: (identifier) @local.definition)
(for_statement name: (identifier) @local.definition)
(list_comprehension name: (identifier) @local.definition)
(map_comprehension name: (identifier) @local.definition)
(lambda parameters: (identifier) @local.definition)
(lambda_parameters (identifier) @local.definition)
(state_declaration name: (identifier) @local.definition)
(function_declaration name: (identifier) @local.definition)
(type_declaration name: (identifier) @local.definition)
(enum_declaration name: (identifier) @local.definition)

(identifier) @local.reference
