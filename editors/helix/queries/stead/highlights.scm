; Made by `cargo xtask codegen` of editors/tree-sitter-stead/queries/highlights.scm.

; The last pattern that matches a node wins where editors disagree, so what is general comes first.

(identifier) @variable

(comment) @comment.line
(doc_comment) @comment.line.documentation

; ---- literals --------------------------------------------------------------------------------------------------------

(number) @constant.numeric
((number) @constant.numeric.integer
  (#match? @constant.numeric.integer "^0[0-7o]"))
(boolean) @constant.builtin.boolean
(none) @constant.builtin
(string) @string
(block_string) @string
(raw_string) @string
(escape_sequence) @constant.character.escape
(regex) @string.regexp
(interpolation
  "${" @punctuation.special
  "}" @punctuation.special)

; ---- words -----------------------------------------------------------------------------------------------------------

["type" "enum"] @keyword.storage.type
"fn" @keyword.function
["state" "node" "fact" "let" "extend" "defaults" "where"] @keyword
["use" "as"] @keyword.control.import
["if" "else" "match"] @keyword.control.conditional
"for" @keyword.control.repeat
"in" @keyword.operator
(not_in) @keyword.operator

(inventory_declaration keyword: (identifier) @keyword)

; ---- definitions -----------------------------------------------------------------------------------------------------

(use_declaration path: (path (identifier) @namespace))
(use_declaration alias: (identifier) @namespace)
(use_member name: (identifier) @namespace)
(type_declaration name: (identifier) @type)
(enum_declaration name: (identifier) @type)
(enum_member (identifier) @constant)
(function_declaration name: (identifier) @function)
(state_declaration name: (identifier) @function)
(fact_declaration (field_declaration name: (identifier) @variable.other.member))
(record_type (field_declaration name: (identifier) @variable.other.member))
(parameter name: (identifier) @variable.parameter)
(let_statement name: (identifier) @variable)
(lambda parameters: (identifier) @variable.parameter)
(lambda_parameters (identifier) @variable.parameter)

; ---- types -----------------------------------------------------------------------------------------------------------

(named_type name: (path (identifier) @type))
(named_type
  name: (path (identifier) @type.builtin)
  (#any-of? @type.builtin
    "Bool" "Int" "Float" "String" "Path" "Mode" "Duration" "Size" "Port" "Ip" "Cidr" "Hostname" "Url" "Regex" "Version"
    "Source" "Command" "Any" "List" "Map" "Optional" "Secret" "Ref"))

; ---- resources -------------------------------------------------------------------------------------------------------

(resource type: (identifier) @type)
(resource head: (call_expression function: (identifier) @type))
(resource head: (index_expression object: (identifier) @type))
(call_statement (index_expression object: (identifier) @type))
(defaults_statement type: (identifier) @type)
(extend_statement target: (index_expression object: (identifier) @type))
(arrow_statement (index_expression object: (identifier) @type))
(index_expression
  object: (identifier) @type
  index: (string))
(attribute name: (identifier) @variable.other.member)
(attribute
  name: (identifier) @attribute
  (#any-of? @attribute
    "require" "watch" "on_changes" "on_fail" "prereq" "listen" "require_in" "watch_in" "on_changes_in" "on_fail_in"
    "prereq_in" "listen_in" "only_if" "unless" "when" "retry" "timeout" "tags" "noop" "on_drift" "alias"))

; ---- expressions -----------------------------------------------------------------------------------------------------

(entry key: (identifier) @variable.other.member)
(field_expression field: (identifier) @variable.other.member)
(call_statement (call_expression function: (identifier) @function))
(call_expression function: (identifier) @function)
(call_expression function: (field_expression field: (identifier) @function.method))
(named_argument name: (identifier) @variable.parameter)
((field_expression object: (identifier) @variable.builtin)
  (#any-of? @variable.builtin "facts" "data" "node"))
(match_arm pattern: (path (identifier) @constant))

; ---- signs -----------------------------------------------------------------------------------------------------------

["->" "~>" "=>"] @operator
["=" "==" "!=" "<=" ">=" "+" "-" "*" "/" "%" "&&" "||" "!" "??" ".." "..=" "|" "?"] @operator
(binary_expression operator: ["<" ">"] @operator)
(type_arguments ["<" ">"] @punctuation.bracket)
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ":" "." "?."] @punctuation.delimiter
