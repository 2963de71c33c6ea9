(state_declaration "state" @context name: (identifier) @name) @item
(function_declaration "fn" @context name: (identifier) @name) @item
(type_declaration "type" @context name: (identifier) @name) @item
(enum_declaration "enum" @context name: (identifier) @name) @item
(node_declaration "node" @context pattern: (_) @name) @item
(resource type: (identifier) @context name: (_) @name) @item
