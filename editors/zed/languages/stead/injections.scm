((regex) @injection.content
  (#set! injection.language "regex"))
