//! Formats the file given.
fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        match stead_grammar::format(&text) {
            Ok(out) => {
                print!("{out}");
                let again = stead_grammar::format(&out).unwrap();
                eprintln!("idempotent: {}", again == out);
            }
            Err(errors) => eprintln!("{errors:#?}"),
        }
    }
}
