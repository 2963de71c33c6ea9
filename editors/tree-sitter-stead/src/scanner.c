// What the lexer that tree-sitter generates cannot decide: whether a newline separates, and where a raw string ends.
//
// A newline separates unless the next line goes on with what stood before (see `line_operator`, `next_line` and the places
// of `gap` in `grammar/src/stead.pest`). The scanner is asked only where a separator could stand.

#include "tree_sitter/parser.h"

enum TokenType { NEWLINE, RAW_STRING, ERROR_SENTINEL };

void *tree_sitter_stead_external_scanner_create(void) { return NULL; }
void tree_sitter_stead_external_scanner_destroy(void *payload) { (void)payload; }
unsigned tree_sitter_stead_external_scanner_serialize(void *payload, char *buffer) {
  (void)payload;
  (void)buffer;
  return 0;
}
void tree_sitter_stead_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  (void)payload;
  (void)buffer;
  (void)length;
}

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == 0xFEFF; }

static bool is_letter(int32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// r"…" and r#"…"#, with as many hashes at the end as at the beginning.
static bool scan_raw_string(TSLexer *lexer) {
  lexer->advance(lexer, false);
  unsigned hashes = 0;
  while (lexer->lookahead == '#') {
    hashes++;
    lexer->advance(lexer, false);
  }
  if (lexer->lookahead != '"') return false;
  lexer->advance(lexer, false);
  while (!lexer->eof(lexer)) {
    if (lexer->lookahead == '\n' && hashes == 0) return false;
    if (lexer->lookahead != '"') {
      lexer->advance(lexer, false);
      continue;
    }
    lexer->advance(lexer, false);
    unsigned seen = 0;
    while (seen < hashes && lexer->lookahead == '#') {
      seen++;
      lexer->advance(lexer, false);
    }
    if (seen == hashes) {
      lexer->mark_end(lexer);
      lexer->result_symbol = RAW_STRING;
      return true;
    }
  }
  return false;
}

// Says whether what stands here goes on with the line before. The lexer is at something that is no blank and no comment.
static bool goes_on(TSLexer *lexer) {
  if (lexer->eof(lexer)) return true;
  switch (lexer->lookahead) {
    // Ends of brackets, and a comma that separates by itself.
    case ')': case ']': case '}': case ',':
    // Operators that start no element.
    case '+': case '*': case '%': case '<': case '>': case '=': case '&': case '|': case '~': case ':': case '?':
      return true;
    case '.':
      // `..5` is a pattern of its own.
      lexer->advance(lexer, false);
      return lexer->lookahead != '.';
    case '!':
      lexer->advance(lexer, false);
      return lexer->lookahead == '=';
    case '-':
      lexer->advance(lexer, false);
      return lexer->lookahead == '>';
    case 'e': {
      const char *word = "else";
      for (; *word; word++) {
        if (lexer->lookahead != *word) return false;
        lexer->advance(lexer, false);
      }
      return !is_letter(lexer->lookahead) && lexer->lookahead != '=';
    }
    default:
      return false;
  }
}

static bool scan_newline(TSLexer *lexer) {
  while (is_blank(lexer->lookahead)) lexer->advance(lexer, true);
  if (lexer->lookahead != '\n') return false;
  lexer->advance(lexer, false);
  lexer->mark_end(lexer);
  lexer->result_symbol = NEWLINE;
  for (;;) {
    while (is_blank(lexer->lookahead) || lexer->lookahead == '\n') lexer->advance(lexer, false);
    if (lexer->lookahead != '#') break;
    while (lexer->lookahead != '\n' && !lexer->eof(lexer)) lexer->advance(lexer, false);
  }
  return !goes_on(lexer);
}

bool tree_sitter_stead_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
  (void)payload;
  // While it recovers from a mistake, tree-sitter asks for everything at once.
  if (valid[ERROR_SENTINEL]) return false;
  if (valid[RAW_STRING]) {
    bool is_newline_possible = valid[NEWLINE];
    while (is_blank(lexer->lookahead) || (lexer->lookahead == '\n' && !is_newline_possible)) lexer->advance(lexer, true);
    if (lexer->lookahead == 'r') return scan_raw_string(lexer);
  }
  return valid[NEWLINE] && scan_newline(lexer);
}
