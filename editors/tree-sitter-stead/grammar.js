/**
 * The tree-sitter grammar of the Stead language.
 *
 * What `grammar/src/stead.pest` accepts this accepts; it is looser in places where only the compiler has to be strict.
 * A newline separates, unless the next line goes on with what stood before: `src/scanner.c` decides that.
 */

const PREC = {
  lambda: -1,
  otherwise: 1,
  or: 2,
  and: 3,
  not: 4,
  compare: 5,
  range: 6,
  add: 7,
  multiply: 8,
  negate: 9,
  postfix: 10,
}

/** Elements between brackets, separated by commas or newlines. */
function separated($, rule) {
  return optional(seq(rule, repeat(seq($._separator, rule)), optional(',')))
}

module.exports = grammar({
  name: 'stead',

  externals: $ => [$._newline, $.raw_string, $._error_sentinel],

  extras: $ => [/[\s\uFEFF]/, $.comment, $.doc_comment],

  word: $ => $.identifier,

  supertypes: $ => [$._expression, $._statement, $._item],

  conflicts: $ => [
    [$._expression, $.lambda_parameters],
    [$._expression, $._access],
  ],

  rules: {
    source_file: $ => optional(seq($._item, repeat(seq($._separator, $._item)), optional(','))),

    _separator: $ => choice($._newline, ','),

    comment: _ => token(prec(-1, seq('#', /[^\n]*/))),
    doc_comment: _ => token(seq('##', /[^\n]*/)),

    identifier: _ => /[a-zA-Z_][a-zA-Z0-9_]*/,

    // ---- the file ---------------------------------------------------------------------------------------------------

    _item: $ => choice(
      $.use_declaration,
      $.type_declaration,
      $.enum_declaration,
      $.function_declaration,
      $.fact_declaration,
      $.state_declaration,
      $.node_declaration,
      $.inventory_declaration,
      $._statement,
    ),

    use_declaration: $ => seq(
      'use',
      field('path', $.path),
      optional(choice(
        seq('as', field('alias', $.identifier)),
        seq('{', separated($, $.use_member), '}'),
      )),
    ),
    use_member: $ => seq(field('name', $.identifier), optional(seq('as', field('alias', $.identifier)))),

    path: $ => seq($.identifier, repeat(seq('.', $.identifier))),

    type_declaration: $ => seq(
      'type',
      field('name', $.identifier),
      choice(field('body', $.record_type), seq('=', field('value', $._type))),
    ),

    enum_declaration: $ => seq('enum', field('name', $.identifier), '{', separated($, $.enum_member), '}'),
    enum_member: $ => $.identifier,

    function_declaration: $ => seq(
      'fn',
      field('name', $.identifier),
      field('parameters', $.parameters),
      '->',
      field('result', $._type),
      '=',
      field('body', $._expression),
    ),

    fact_declaration: $ => seq('fact', $.field_declaration),

    state_declaration: $ => seq(
      'state',
      field('name', $.identifier),
      field('parameters', $.parameters),
      field('body', $.block),
    ),

    node_declaration: $ => seq(
      'node',
      choice(
        seq('where', field('condition', $._expression)),
        seq($._node_name, repeat(seq(',', $._node_name))),
      ),
      field('body', $.block),
    ),
    _node_name: $ => field('pattern', choice($._string, $.regex)),

    // `inventory` is a word like any other where no brace follows, so it is no keyword here.
    inventory_declaration: $ => seq(field('keyword', $.identifier), field('body', $.block)),

    parameters: $ => seq('(', separated($, alias($.field_declaration, $.parameter)), ')'),

    field_declaration: $ => seq(
      field('name', $.identifier),
      ':',
      field('type', $._type),
      optional(seq('=', field('default', $._expression))),
    ),

    // ---- types ------------------------------------------------------------------------------------------------------

    _type: $ => choice($.union_type, $._type_member),

    union_type: $ => prec.left(seq($._type_member, repeat1(seq('|', $._type_member)))),

    _type_member: $ => choice($.optional_type, $.record_type, $.literal_type, $.named_type),

    optional_type: $ => seq(choice($.record_type, $.literal_type, $.named_type), repeat1('?')),

    literal_type: $ => seq(optional('-'), choice($._string, $.number)),

    named_type: $ => prec.right(seq(
      field('name', $.path),
      optional($.type_arguments),
      optional($.refinement),
    )),

    type_arguments: $ => seq('<', $._type, repeat(seq($._separator, $._type)), optional(','), '>'),

    record_type: $ => seq('{', separated($, $.field_declaration), '}'),

    refinement: $ => seq('(', choice($.regex, $._bounds), ')'),
    _bounds: $ => choice(
      $._bound,
      seq($._bound, choice('..', '..='), optional($._bound)),
      seq(choice('..', '..='), optional($._bound)),
    ),
    _bound: $ => seq(optional('-'), choice($.number, $.path)),

    // ---- statements -------------------------------------------------------------------------------------------------

    block: $ => seq('{', separated($, $._statement), '}'),

    _statement: $ => choice(
      $.resource,
      $.let_statement,
      $.for_statement,
      $.if_statement,
      $.match_statement,
      $.extend_statement,
      $.defaults_statement,
      $.call_statement,
      $.arrow_statement,
    ),

    let_statement: $ => seq(
      'let',
      field('name', $.identifier),
      optional(seq(':', field('type', $._type))),
      '=',
      field('value', choice($._expression, $.resource)),
    ),

    for_statement: $ => seq('for', $._for_clause, field('body', $.block)),

    _for_clause: $ => seq(
      field('name', $.identifier),
      optional(seq(',', field('name', $.identifier))),
      'in',
      field('iterable', $._expression),
      optional(seq('if', field('condition', $._expression))),
    ),

    if_statement: $ => seq(
      'if',
      field('condition', $._expression),
      field('consequence', $.block),
      optional(seq('else', field('alternative', choice($.if_statement, $.block)))),
    ),

    match_statement: $ => seq(
      'match',
      field('subject', $._expression),
      '{',
      separated($, alias($._match_statement_arm, $.match_arm)),
      '}',
    ),
    _match_statement_arm: $ => seq($._patterns, '=>', field('body', $.block)),

    extend_statement: $ => seq('extend', field('target', $._reference), field('body', $.body)),

    defaults_statement: $ => seq('defaults', field('type', $.identifier), field('body', $.body)),

    // `package "nginx"`, `file conf(v) { … }`; `file (dir) { … }` looks like a call until its body.
    resource: $ => choice(
      seq(field('type', $.identifier), field('name', $._string), optional(field('body', $.body))),
      seq(field('type', $.identifier), field('name', $._access), field('body', $.body)),
      seq(field('head', choice($._called, $._indexed)), field('body', $.body)),
    ),

    // A state that is called, or a resource with several names: `package ["a", "b"]`.
    call_statement: $ => choice($._called, $._indexed),

    arrow_statement: $ => prec.right(seq($._reference, repeat1(seq(choice('->', '~>'), $._reference)))),

    // A name with calls, indices and fields behind it. In an expression the same is made of any expression.
    _reference: $ => choice($._access, $._list_access),
    _list_access: $ => choice(
      $.list,
      alias(seq(field('object', $._list_access), choice('.', '?.'), field('field', $.identifier)), $.field_expression),
    ),
    _access: $ => choice($.identifier, $._called, $._indexed, $._member),
    _called: $ => alias($._access_call, $.call_expression),
    _indexed: $ => alias($._access_index, $.index_expression),
    _member: $ => alias($._access_field, $.field_expression),
    _access_call: $ => prec.left(PREC.postfix, seq(field('function', $._access), field('arguments', $.arguments))),
    _access_index: $ => prec.left(PREC.postfix, seq(
      field('object', $._access), '[', field('index', separated($, $._expression)), ']',
    )),
    _access_field: $ => prec.left(PREC.postfix, seq(
      field('object', $._access), choice('.', '?.'), field('field', $.identifier),
    )),

    body: $ => seq('{', separated($, $.attribute), '}'),
    attribute: $ => seq(field('name', $.identifier), '=', field('value', $._expression)),

    // ---- expressions ------------------------------------------------------------------------------------------------

    _expression: $ => choice(
      $.identifier,
      $.number,
      $.boolean,
      $.none,
      $._string,
      $.list,
      $.list_comprehension,
      $.record,
      $.map_comprehension,
      $.parenthesized_expression,
      $.if_expression,
      $.match_expression,
      $.lambda,
      $.unary_expression,
      $.binary_expression,
      $.field_expression,
      $.call_expression,
      $.index_expression,
    ),

    boolean: _ => choice('true', 'false'),
    none: _ => 'none',

    unary_expression: $ => choice(
      prec(PREC.not, seq('!', $._expression)),
      prec(PREC.negate, seq('-', $._expression)),
    ),

    binary_expression: $ => choice(...[
      [PREC.otherwise, '??'],
      [PREC.or, '||'],
      [PREC.and, '&&'],
      ...['==', '!=', '<', '>', '<=', '>=', 'in'].map(operator => [PREC.compare, operator]),
      ...['..', '..='].map(operator => [PREC.range, operator]),
      ...['+', '-'].map(operator => [PREC.add, operator]),
      ...['*', '/', '%'].map(operator => [PREC.multiply, operator]),
    ].map(([precedence, operator]) => prec.left(precedence, seq(
      field('left', $._expression),
      field('operator', operator),
      field('right', $._expression),
    ))), prec.left(PREC.compare, seq(
      field('left', $._expression),
      field('operator', $.not_in),
      field('right', $._expression),
    ))),
    not_in: _ => seq('not', 'in'),

    field_expression: $ => prec.left(PREC.postfix, seq(
      field('object', $._expression),
      choice('.', '?.'),
      field('field', $.identifier),
    )),

    call_expression: $ => prec.left(PREC.postfix, seq(field('function', $._expression), field('arguments', $.arguments))),

    arguments: $ => seq('(', separated($, choice($.named_argument, $._expression)), ')'),
    named_argument: $ => seq(field('name', $.identifier), '=', field('value', $._expression)),

    index_expression: $ => prec.left(PREC.postfix, seq(
      field('object', $._expression),
      '[',
      field('index', separated($, $._expression)),
      ']',
    )),

    parenthesized_expression: $ => seq('(', $._expression, ')'),

    list: $ => seq('[', separated($, $._expression), ']'),
    list_comprehension: $ => seq('[', 'for', $._for_clause, ':', field('element', $._expression), ']'),

    record: $ => seq('{', separated($, $.entry), '}'),
    entry: $ => seq(
      field('key', choice($.identifier, $._string)),
      optional(seq('=', field('value', $._expression))),
    ),
    map_comprehension: $ => seq(
      '{', 'for', $._for_clause, ':',
      field('key', $._expression), '=', field('value', $._expression), '}',
    ),

    if_expression: $ => prec.right(seq(
      'if',
      field('condition', $._expression),
      field('consequence', $.value),
      optional(seq('else', field('alternative', choice($.if_expression, $.value)))),
    )),
    value: $ => seq('{', $._expression, '}'),

    match_expression: $ => seq('match', field('subject', $._expression), '{', separated($, $.match_arm), '}'),
    match_arm: $ => seq($._patterns, '=>', field('value', $._expression)),

    _patterns: $ => seq(field('pattern', $._pattern), repeat(seq('|', field('pattern', $._pattern)))),
    _pattern: $ => choice($.regex, $._string, $.range_pattern, $.number_pattern, $.boolean, $.none, $.path),
    number_pattern: $ => seq(optional('-'), $.number),
    range_pattern: $ => choice(
      prec.right(seq($.number_pattern, choice('..', '..='), optional($.number_pattern))),
      seq(choice('..', '..='), $.number_pattern),
    ),

    lambda: $ => prec.right(PREC.lambda, seq(
      field('parameters', choice($.identifier, $.lambda_parameters)),
      '=>',
      field('body', $._expression),
    )),
    lambda_parameters: $ => seq('(', separated($, $.identifier), ')'),

    // ---- literals ---------------------------------------------------------------------------------------------------

    number: _ => token(choice(
      /[0-9][a-zA-Z0-9_]*(\.[0-9][a-zA-Z0-9_]*)?/,
      /[0-9][0-9_]*(\.[0-9][0-9_]*)?[eE][+-][0-9][0-9_]*/,
    )),

    _string: $ => choice($.string, $.block_string, $.raw_string),

    string: $ => seq(
      '"',
      repeat(choice(
        $.string_content,
        $.escape_sequence,
        $.interpolation,
      )),
      token.immediate('"'),
    ),
    string_content: _ => prec.right(repeat1(choice(
      token.immediate(prec(1, /[^"\\$\n]+/)),
      token.immediate('$'),
    ))),

    block_string: $ => seq(
      '"""',
      repeat(choice(
        alias($.block_content, $.string_content),
        $.escape_sequence,
        $.interpolation,
      )),
      token.immediate('"""'),
    ),
    block_content: _ => prec.right(repeat1(choice(
      token.immediate(prec(1, /[^"\\$]+/)),
      token.immediate('$'),
      token.immediate('"'),
    ))),

    escape_sequence: _ => token.immediate(/\\(u\{[0-9a-fA-F]*\}|[\s\S])/),

    interpolation: $ => seq(token.immediate('${'), $._expression, '}'),

    regex: _ => token(/\/([^\/\\\n]|\\[^\n])+\//),
  },
})
