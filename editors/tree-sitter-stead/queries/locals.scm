(source_file) @local.scope
(state_declaration) @local.scope
(function_declaration) @local.scope
(block) @local.scope
(for_statement) @local.scope
(list_comprehension) @local.scope
(map_comprehension) @local.scope
(lambda) @local.scope
(match_arm) @local.scope

(let_statement name: (identifier) @local.definition.var)
(parameter name: (identifier) @local.definition.parameter)
(for_statement name: (identifier) @local.definition.var)
(list_comprehension name: (identifier) @local.definition.var)
(map_comprehension name: (identifier) @local.definition.var)
(lambda parameters: (identifier) @local.definition.parameter)
(lambda_parameters (identifier) @local.definition.parameter)
(state_declaration name: (identifier) @local.definition.function)
(function_declaration name: (identifier) @local.definition.function)
(type_declaration name: (identifier) @local.definition.type)
(enum_declaration name: (identifier) @local.definition.type)
(use_declaration alias: (identifier) @local.definition.import)

(identifier) @local.reference
