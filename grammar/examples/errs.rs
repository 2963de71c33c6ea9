//! Prints the mistakes in a file, short.
fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        // cases separated by lines `=====`
        for case in text.split("=====\n") {
            println!("-----\n{case}");
            let parsed = stead_grammar::parse(case);
            for e in &parsed.errors {
                let line = case[..e.span.start as usize].matches('\n').count() + 1;
                let col = e.span.start as usize - case[..e.span.start as usize].rfind('\n').map_or(0, |n| n + 1) + 1;
                println!("   ! {line}:{col} [{}] {} {:?}", e.code, e.message, &case[e.span.range()]);
                if let Some(h) = &e.hint { println!("        hint: {h}"); }
                for (s, l) in &e.labels { println!("        label {}: {l}", case[..s.start as usize].matches('\n').count() + 1); }
            }
            println!("{}", stead_grammar::dump(&parsed.file).lines().map(|l| format!("   | {l}\n")).collect::<String>());
        }
    }
}
