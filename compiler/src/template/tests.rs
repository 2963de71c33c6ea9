use super::*;
use crate::sources::MemorySources;
use proptest::prelude::{any, prop_assert, proptest};

pub(super) fn templates(files: &[(&str, &str)]) -> Templates {
    let sources = files.iter().fold(MemorySources::new(), |sources, (path, text)| sources.with(*path, text));
    Templates::new(Arc::new(sources), Whitespace::default())
}

fn variables() -> Map {
    let vhost = Value::map([
        ("name".into(), Value::string("a.b")),
        ("port".into(), Value::Int(80)),
        ("mode".into(), Value::Mode(0o644)),
        ("tls".into(), Value::None),
    ]);
    let mut map = Map::new();
    map.insert("vhosts".into(), Value::list([vhost.clone()]));
    map.insert("vhost".into(), vhost);
    map.insert("timeout".into(), Value::Duration(30_000_000_000));
    map.insert("words".into(), Value::list([Value::string("b"), Value::string("a")]));
    map
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let shown = match templates(&[("inc/part.j2", "<{{ vhost.name }}>"), ("part.j2", "root")]).render_text(text, &variables()) {
        Ok(value) => value.as_str().unwrap_or("?").to_owned(),
        Err(problem) => format!("{}: {} @{:?}", problem.code, problem.message, problem.span.text(text)),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn values_are_written_as_the_language_does() {
    check("{{ vhost.mode }} {{ timeout }} {{ vhost.tls is none }} {{ vhost['port'] + 1 }}\n", "0644 30s True 81\n");
    check("{{ words }} {{ vhost | dictsort | length }}", "[\"b\", \"a\"] 4");
}

#[test]
fn blocks_leave_no_lines_behind() {
    check("a\n  {% for w in words %}\n  - {{ w }}\n  {% endfor %}\nb\n", "a\n  - b\n  - a\nb\n");
}

#[test]
fn filters_of_other_tools_are_known() {
    check("{{ words | to_json }}", "[\"b\",\"a\"]");
    check("{{ words | sort | join(',') }}", "a,b");
    check("{{ {'a': [1]} | to_nice_yaml }}", "a:\n  - 1\n");
    check("{{ 'x' | b64encode | b64decode }}", "x");
    check("{{ \"it's\" | quote }}", "\"it's\"");
    check("{{ 'a1' | regex_replace('[0-9]', 'n') }}", "an");
    check("{{ 'a1b' | regex_replace('([a-z])([0-9])', '\\\\2\\\\1') }}", "1ab");
    check("{{ '/a/b.c' | basename }} {{ '/a/b.c' | dirname }}", "b.c /a");
    check("{{ true | ternary('y', 'n') }}", "y");
    check("{{ {'a': 1} | combine({'b': 2}) | to_json }}", "{\"a\":1,\"b\":2}");
    check("{{ 'abc' | hash('sha1') }}", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check("{{ '1.10' is version('1.9', '>') }}", "True");
    check("{{ 'web-1' is match('web') }} {{ 'web-1' is search('1$') }}", "True True");
    check("{{ vhost | dict2items | map(attribute='key') | join(' ') }}", "name port mode tls");
}

#[test]
fn methods_of_python_are_known() {
    check("{{ 'a,b'.split(',')[1] }} {{ ' x '.strip() }} {{ 'Ab'.lower().startswith('a') }}", "b x True");
    check("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1");
    check("{{ vhost.get('nope', 'd') }} {{ vhost.keys() | join(',') }}", "d name,port,mode,tls");
    check("{{ ', '.join(words) }} {{ '7'.zfill(3) }}", "b, a 007");
}

#[test]
fn includes_are_found_beside_and_from_the_root() {
    let set = templates(&[
        ("t/main.j2", "{% include 'part.j2' %} {% include 'base/x.j2' %}"),
        ("t/part.j2", "beside"),
        ("base/x.j2", "root"),
    ]);
    assert_eq!(set.render("t/main.j2", &Map::new()), Ok(Value::string("beside root")));
    let set = templates(&[("main.j2", "{% include '../etc/passwd' %}")]);
    assert_eq!(set.render("main.j2", &Map::new()).map_err(|d| d.code), Err("template-not-found"));
}

#[test]
fn mistakes_have_their_place() {
    check("a {{ nope }}", "undefined-template-variable: a name here has no value @\"nope\"");
    check("{{ vhost.nope.x }}", "undefined-template-variable: a name here has no value @\".nope.x\"");
    check("{{ vhost.tls }}", "template-failed: the value is none; write what is meant: `x or \"\"` @\"vhost.tls\"");
    check("{{ a\u{feff} }}", "template-syntax-error: unexpected character @\"\\u{feff}\"");
    check("{% if x", "template-syntax-error: unexpected end of input, expected end of block @\"x\"");
    check("{{ 1 | nope }}", "unknown-template-filter: filter nope is unknown @\"nope\"");
    check(
        "{% include 'none.j2' %}",
        "template-not-found: tried to include non-existing template \"none.j2\" @\"include 'none.j2'\"",
    );
}

#[test]
fn endless_work_ends() {
    check(
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "template-too-large: the template takes more than 10000000 steps @\"\"",
    );
    let big = "x".repeat(1000);
    let text = format!("{{% for a in range(99999) %}}{big}{{% endfor %}}");
    let problem = templates(&[]).render_text(&text, &Map::new()).unwrap_err();
    assert_eq!(problem.message, "the template renders to more than 16 MiB");
    let deep = format!("{{{{ {} }}}}", vec!["1"; 100_000].join("~"));
    assert_eq!(templates(&[]).render_text(&deep, &Map::new()).unwrap_err().code, "nesting-too-deep");
    for grown in [
        "ns.s ~ ns.s",
        "ns.s + ns.s",
        "ns.s * 2",
        "[ns.s, ns.s] | join",
        "[ns.s, ns.s] | join('x')",
        "ns.s | replace('s', ns.s ~ 's')",
        "(ns.s ~ ns.s) | upper",
        "(ns.s, ns.s) | string",
        "'%s%s' | format(ns.s, ns.s)",
        "ns.s.replace('s', 'ss')",
        "ns.s | repeat(2)",
    ] {
        grows(&format!("{{% set ns = namespace(s='s') %}}{{% for i in range(60) %}}{{% set ns.s = {grown} %}}{{% endfor %}}"));
    }
    grows(
        "{% set ns = namespace(s='s') %}{% for i in range(60) %}{% set x %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = x %}{% endfor %}",
    );
    grows("{% macro m(s, n) %}{% if n %}{{ m(s ~ s, n - 1) }}{% endif %}{% endmacro %}{{ m('s' * 1000, 20) }}");
    grows(
        "{% macro m(s, n) %}{% if n %}{{ m(s, n - 1) }}{{ m(s, n - 1) }}{% endif %}{{ s }}{% endmacro %}{{ m('s' * 1000, 14) }}",
    );
    let text = "x".repeat(1000);
    grows(&format!(
        "{{% set x %}}{{% for i in range(99999) %}}{{% for j in range(20) %}}{text}{{% endfor %}}{{% endfor %}}{{% endset %}}"
    ));
    grows("{{ 'x' * 100000000 }}");
    grows("{{ ([1] * 1000000000) | length }}");
    grows("{{ [1] | batch(1000000000, 0) }}");
    grows("{{ 'a\nb' | indent(1000000000) }}");
    grows("{{ '%01000000000d' | format(1) }}");
    grows("{{ [[1]] | tojson(indent=100000000) }}");
    grows("{{ 'x' | pad_start(1000000000) }}");
    // A list that holds itself ten times, nine times over.
    grows("{% set ns = namespace(l=[1] * 10) %}{% for i in range(9) %}{% set ns.l = [ns.l] * 10 %}{% endfor %}");
    check(
        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}",
        "template-failed: the values nest more than 100 deep @\"[ns.l]\"",
    );
    check("{% set ns = namespace(a=1) %}{% set ns.a = [ns] %}", "template-failed: a namespace cannot hold a namespace @\"[ns]\"");
    let recursive = templates(&[("a.j2", "{% include 'a.j2' %}")]);
    assert_eq!(recursive.render("a.j2", &Map::new()).unwrap_err().code, "template-failed");
}

#[track_caller]
fn grows(text: &str) {
    assert_eq!(
        templates(&[]).render_text(text, &Map::new()).map_err(|problem| problem.code),
        Err("template-too-large"),
        "{text}"
    );
}

#[test]
fn work_of_an_ordinary_size_is_done() {
    check(
        "{{ '-' * 20 }} {{ ([1, 2] * 2) | join(',') }} {{ [1] + [2] }} {{ 1 + 2 * 3 }} {{ 1.5 * 2 }}",
        "-------------------- 1,2,1,2 [1, 2] 7 3.0",
    );
    check(
        "{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.l | length }}",
        "1000",
    );
    check(
        "{% set ns = namespace(s='') %}{% for i in range(1000) %}{% set ns.s = ns.s ~ 'a line of it\n' %}{% endfor %}{{ ns.s | length }}",
        "13000",
    );
    check("{% set a, b = 1, 'x' %}{{ a ~ b }}{% set d = {'k': [1, 2][1:]} %}{{ d.k[0] }}{{ 'abc'[1:] ~ [3][:1] }}", "1x2bc[3]");
    check(
        "{% set ns = namespace(n=0) %}{% for w in words %}\n  {% set ns.n = ns.n + 1 -%}\n  {{ ns.n }}\n{% endfor %}",
        "1\n2\n",
    );
}

#[test]
fn mistakes_in_what_is_computed_have_their_place() {
    check("{{ 1 }} {{ words ~ nope }}", "undefined-template-variable: a name here has no value @\"words ~ nope\"");
    check(
        "{% set x = 'a' ~ 1 %}{{ x + (words | first) * words }}",
        "template-failed: strings can only be multiplied with integers @\"(words | first) * words\"",
    );
    check("{% set x = 1 ~ 2 %}{{ x ~ y }} {{ nope }}", "undefined-template-variable: a name here has no value @\"x ~ y\"");
    check("{{ 'a' ~ 'b' }}{{ nope }}", "undefined-template-variable: a name here has no value @\"nope\"");
    let set = templates(&[("a.j2", "{{ 1 ~ 2 }} {% include 'b.j2' %}"), ("b.j2", "{% set x = 1 + 2 %}{{ x }}{{ nope }}")]);
    let problem = set.render("a.j2", &Map::new()).unwrap_err();
    let place = &problem.labels[0];
    assert_eq!((&*place.file, place.span), ("b.j2", Span::new(29, 33)));
}

#[test]
fn secrets_stay_secret() {
    let mut map = Map::new();
    map.insert("p".into(), Value::string("hunter2").secret());
    let set = templates(&[("a.j2", "p={{ p }}"), ("b.j2", "{{ p + 1 }}")]);
    assert_eq!(set.render("a.j2", &map), Ok(Value::string("p=hunter2").secret()));
    assert!(!format!("{:?}", set.render("b.j2", &map)).contains("hunter2"));
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_template_panics(text in "[{}%#a-z .|()\\[\\]'\"~+\\-*/0-9\n=,:]{0,60}", cut in any::<usize>()) {
        let tagged = format!("{{{{ {text} }}}}{{% if a %}}{{% for x in {text} %}}{{% endfor %}}");
        let mut cut = cut % (tagged.len() + 1);
        while !tagged.is_char_boundary(cut) {
            cut -= 1;
        }
        let set = templates(&[]);
        for text in [&text, &tagged, &tagged[..cut].to_owned()] {
            let _ = set.render_text(text, &variables());
            for problem in set.check_text(text, &[("a".into(), Type::Any)]).problems {
                prop_assert!(problem.span.end as usize <= text.len(), "{:?} {:?}", text, problem);
            }
        }
    }
}
