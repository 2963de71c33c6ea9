(state_declaration name: (identifier) @name) @definition.function
(function_declaration name: (identifier) @name) @definition.function
(type_declaration name: (identifier) @name) @definition.type
(enum_declaration name: (identifier) @name) @definition.type
(call_expression function: (identifier) @name) @reference.call
