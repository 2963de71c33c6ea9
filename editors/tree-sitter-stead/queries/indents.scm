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
] @indent.begin

["}" "]" ")"] @indent.branch @indent.end

[(comment) (doc_comment) (block_string)] @indent.ignore
