; Made by `cargo xtask codegen` of editors/tree-sitter-stead/queries/highlights.scm.

; The last pattern that matches a node wins where editors disagree, so what is general comes first.

(identifier) @variable

(comment) @comment
(doc_comment) @comment.doc

; ---- literals --------------------------------------------------------------------------------------------------------

(number) @number
((number) @number
  (#match? @number "^0[0-7o]"))
(boolean) @boolean
(none) @constant
(string) @string
(block_string) @string
(raw_string) @string
(escape_sequence) @string.escape
(regex) @string.regex
(interpolation
  "${" @punctuation.special
  "}" @punctuation.special)

; ---- words -----------------------------------------------------------------------------------------------------------

["type" "enum"] @keyword
"fn" @keyword
["state" "node" "fact" "let" "extend" "defaults" "where"] @keyword
["use" "as"] @keyword
["if" "else" "match"] @keyword
"for" @keyword
"in" @keyword
(not_in) @keyword

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
(fact_declaration (field_declaration name: (identifier) @property))
(record_type (field_declaration name: (identifier) @property))
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
(attribute name: (identifier) @property)
(attribute
  name: (identifier) @attribute
  (#any-of? @attribute
    "require" "watch" "on_changes" "on_fail" "prereq" "listen" "require_in" "watch_in" "on_changes_in" "on_fail_in"
    "prereq_in" "listen_in" "only_if" "unless" "when" "retry" "timeout" "tags" "noop" "on_drift" "alias"))

; ---- expressions -----------------------------------------------------------------------------------------------------

(entry key: (identifier) @property)
(field_expression field: (identifier) @property)
(call_statement (call_expression function: (identifier) @function))
(call_expression function: (identifier) @function)
(call_expression function: (field_expression field: (identifier) @function))
(named_argument name: (identifier) @variable.parameter)
((field_expression object: (identifier) @variable.special)
  (#any-of? @variable.special "facts" "data" "node"))
(match_arm pattern: (path (identifier) @constant))

; ---- signs -----------------------------------------------------------------------------------------------------------

["->" "~>" "=>"] @operator
["=" "==" "!=" "<=" ">=" "+" "-" "*" "/" "%" "&&" "||" "!" "??" ".." "..=" "|" "?"] @operator
(binary_expression operator: ["<" ">"] @operator)
(type_arguments ["<" ">"] @punctuation.bracket)
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ":" "." "?."] @punctuation.delimiter
