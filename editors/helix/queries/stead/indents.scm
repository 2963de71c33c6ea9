; Made by `cargo xtask codegen` of editors/tree-sitter-stead/queries/indents.scm.

[
  (block)
  (body)
  (record_type)
  (enum_declaration)
  (match_statement)
  (match_expression)
  (record)
  (map_comprehension)
  (list)
  (list_comprehension)
  (arguments)
  (parameters)
] @indent

["}" "]" ")"] @outdent
