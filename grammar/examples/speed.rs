//! Prints how long it takes to parse 10,000 resources in 100 files.
use std::fmt::Write;
use std::time::Instant;
fn main() {
    let mut files = Vec::new();
    for d in 0..100 {
        let mut s = String::new();
        for f in 0..100 {
            write!(s, "file \"/srv/d{d:02}/f{f:04}.conf\" {{\n  content = \"listen {f}\\nserver_name host-{d}-{f}.example.org\\nroot /srv/www/{d}/{f}\\n# managed by stead\\n\"\n  mode    = 0644\n  owner   = \"root\"\n  group   = \"root\"\n}}\n\n").unwrap();
        }
        files.push(s);
    }
    let bytes: usize = files.iter().map(|f| f.len()).sum();
    for _ in 0..5 {
        let t = Instant::now();
        let n: usize = files.iter().map(|f| stead_grammar::parse(f).file.items.len()).sum();
        println!("one thread: {bytes} bytes {n} in {:?}", t.elapsed());
    }
    for _ in 0..3 {
        let t = Instant::now();
        let n: usize = stead_grammar::parse_all(&files).len();
        println!("parallel: {bytes} bytes {n} in {:?}", t.elapsed());
    }
}
