//! Prints the tree of the file given, and its mistakes.
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let parsed = stead_grammar::parse(&text);
    println!("{}", stead_grammar::dump(&parsed.file));
    println!("{:#?}", parsed.errors);
    println!("comments: {}", parsed.comments.len());
}
