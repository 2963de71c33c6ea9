(state_declaration body: (_) @function.inside) @function.around
(function_declaration body: (_) @function.inside) @function.around
(type_declaration body: (_) @class.inside) @class.around
(resource body: (_) @class.inside) @class.around
(parameter) @parameter.inside
(attribute) @entry.around
(comment) @comment.around
(doc_comment) @comment.around
