; Made by `cargo xtask codegen` of editors/tree-sitter-stead/queries/injections.scm.

((comment) @injection.content
  (#set! injection.language "comment"))

((doc_comment) @injection.content
  (#set! injection.language "markdown_inline"))

((regex) @injection.content
  (#set! injection.language "regex"))

; A template that is written in the source: render("…", { … }).
(call_expression
  function: (identifier) @_name
  arguments: (arguments
    .
    [
      (string (string_content) @injection.content)
      (block_string (string_content) @injection.content)
    ])
  (#eq? @_name "render")
  (#set! injection.language "jinja"))

; One line for the shell.
(attribute
  name: (identifier) @_name
  value: (string (string_content) @injection.content)
  (#any-of? @_name "command" "only_if" "unless" "validate")
  (#set! injection.language "bash"))
