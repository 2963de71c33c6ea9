//! Plans for the tests: one by hand that holds every kind of thing, and arbitrary ones.

use std::sync::Arc;

use proptest::prelude::*;
use stead_catalog::{
    Action, Cause, Change, EdgeKind, Plan, PlanError, PlannedResource, ResourceId, Shown, SourceLocation, Value,
};

pub(crate) const SECRET: &str = "hunter2-4711";

pub(crate) fn at(line: u32) -> SourceLocation {
    SourceLocation { file: "site.stead".into(), start: 0, end: 1, line, column: 1 }
}

pub(crate) fn resource(type_name: &str, name: &str, action: Action, line: u32, changes: Vec<Change>) -> PlannedResource {
    PlannedResource {
        id: ResourceId::new(type_name, name),
        action,
        because: Vec::new(),
        source: at(line),
        changes,
        unknown: None,
        held: None,
        error: None,
        digest: None,
        orphan: false,
    }
}

pub(crate) fn value(value: Value) -> Shown {
    Shown::Value(value)
}

pub(crate) fn text(text: &str) -> Shown {
    Shown::Text(text.into())
}

/// One plan with every kind of change in it.
pub(crate) fn every_kind() -> Plan {
    let conf_before = "user www-data;\nworker_processes 2;\n\nevents {\n  worker_connections 512;\n}\n\nhttp {\n  sendfile on;\n  gzip on;\n}\n";
    let conf_after = conf_before.replace("processes 2", "processes 4").replace("  gzip on;\n", "");
    let mut restart = resource("service", "nginx", Action::Restart, 20, vec![]);
    restart.because = vec![Cause { kind: EdgeKind::Watch, resource: ResourceId::new("file", "/etc/nginx/nginx.conf") }];
    let mut reload = resource("exec", "reindex", Action::Run, 41, vec![]);
    reload.because = vec![
        Cause { kind: EdgeKind::OnChanges, resource: ResourceId::new("file", "/etc/motd") },
        Cause { kind: EdgeKind::OnFail, resource: ResourceId::new("package", "nginx") },
    ];
    reload.unknown = Some("the guard is decided after package[\"nginx\"]".into());
    let mut held = resource(
        "file",
        "/etc/held",
        Action::Update,
        50,
        vec![Change::value("mode", value(Value::Mode(0o644)), value(Value::Mode(0o600)))],
    );
    held.held = Some("noop".into());
    let mut error = resource("file", "/etc/shadow", Action::None, 60, vec![]);
    error.error = Some(PlanError {
        code: "permission-denied".into(),
        message: "no permission to read /etc/shadow".into(),
        hint: Some("run as root".into()),
    });
    let vhost = |name: &str, line| {
        resource(
            "file",
            &format!("/etc/nginx/sites-enabled/{name}.conf"),
            Action::Create,
            line,
            vec![
                Change::value("content", Shown::Absent, text(&format!("server_name {name};\n"))),
                Change::value("owner", Shown::Absent, value(Value::string("root"))),
                Change::value("mode", Shown::Absent, value(Value::Mode(0o644))),
            ],
        )
    };
    Plan {
        node: "web-1".into(),
        catalog_hash: [7; 32],
        resources: vec![
            resource("package", "curl", Action::None, 2, vec![]),
            resource(
                "package",
                "nginx",
                Action::Create,
                3,
                vec![
                    Change::value("version", Shown::Absent, value(Value::string("1.22.1-9"))),
                    Change::value(
                        "installs",
                        Shown::Absent,
                        value(Value::list(["nginx-common", "libnginx-mod-http-geoip2", "libmaxminddb0"].map(Value::string))),
                    ),
                ],
            ),
            resource(
                "file",
                "/etc/nginx/nginx.conf",
                Action::Update,
                5,
                vec![
                    Change::value("mode", value(Value::Mode(0o644)), value(Value::Mode(0o640))),
                    Change::value("content", text(conf_before), text(&conf_after)),
                ],
            ),
            vhost("a.example", 9),
            vhost("b.example", 9),
            vhost("c.example", 9),
            resource(
                "file",
                "/etc/hostile",
                Action::Update,
                12,
                vec![
                    Change::value(
                        "content",
                        text("safe\nindent  x\n"),
                        text("safe\n\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\nindent\tx"),
                    ),
                    Change::value("owner", value(Value::string("a\u{1b}[31m")), Shown::Absent),
                ],
            ),
            resource("file", "/etc/motd", Action::Delete, 14, vec![Change::value("content", text("welcome\n"), Shown::Absent)]),
            resource(
                "file",
                "/srv/logo.png",
                Action::Replace,
                15,
                vec![Change::value(
                    "content",
                    Shown::Digest { hash: "aa".repeat(32).into(), size: 70_000 },
                    Shown::Digest { hash: "bb".repeat(32).into(), size: 71_234_567 },
                )],
            ),
            resource(
                "user",
                "deploy",
                Action::Update,
                17,
                vec![
                    Change::value("password", value(Value::string(SECRET).secret()), value(Value::string(SECRET).secret()))
                        .hidden(),
                    Change::value("uid", Shown::Absent, Shown::Unknown("package[\"nginx\"]".into())),
                    Change::value(
                        "groups",
                        value(Value::list([])),
                        value(Value::list((0..20).map(|i| Value::string(format!("group-{i:02}"))))),
                    ),
                ],
            ),
            restart,
            reload,
            held,
            error,
        ],
    }
}

fn arbitrary_text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,12}", "(?s).{0,30}", "[a-c\n \t\u{1b}\r]{0,40}", Just(String::new())]
}

fn arbitrary_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1000i32..1000).prop_map(|n| Value::Float(f64::from(n) / 8.0)),
        arbitrary_text().prop_map(Value::string),
        (0u32..0o10000).prop_map(Value::Mode),
        any::<u64>().prop_map(Value::Duration),
        any::<u64>().prop_map(Value::Size),
        Just(Value::string(SECRET).secret()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
            proptest::collection::vec((arbitrary_text(), inner), 0..4)
                .prop_map(|entries| Value::map(entries.into_iter().map(|(k, v)| (Arc::from(k), v)))),
        ]
    })
}

fn arbitrary_shown() -> impl Strategy<Value = Shown> {
    prop_oneof![
        Just(Shown::Absent),
        Just(Shown::Sensitive),
        arbitrary_value().prop_map(Shown::Value),
        arbitrary_text().prop_map(|t| Shown::Text(t.into())),
        (arbitrary_text(), any::<u64>()).prop_map(|(hash, size)| Shown::Digest { hash: hash.into(), size }),
        arbitrary_text().prop_map(|t| Shown::Unknown(t.into())),
    ]
}

fn arbitrary_change() -> impl Strategy<Value = Change> {
    let open = (arbitrary_text(), arbitrary_shown(), arbitrary_shown())
        .prop_map(|(name, before, after)| Change::value(&name, before, after));
    let closed = (arbitrary_text(), arbitrary_shown()).prop_map(|(name, before)| Change {
        attribute: name.into(),
        before,
        after: Shown::Text(SECRET.into()),
        sensitive: true,
        stretches: Vec::new(),
    });
    prop_oneof![4 => open, 1 => closed]
}

fn arbitrary_resource() -> impl Strategy<Value = PlannedResource> {
    let action = proptest::sample::select(vec![
        Action::None,
        Action::Create,
        Action::Update,
        Action::Delete,
        Action::Replace,
        Action::Run,
        Action::Restart,
    ]);
    let kind = proptest::sample::select(vec![EdgeKind::Watch, EdgeKind::OnFail, EdgeKind::Prereq]);
    let because = proptest::collection::vec(
        (kind, arbitrary_text()).prop_map(|(kind, name)| Cause { kind, resource: ResourceId::new("file", name) }),
        0..3,
    );
    let note = || proptest::option::weighted(0.1, arbitrary_text());
    (
        arbitrary_text(),
        arbitrary_text(),
        action,
        because,
        proptest::collection::vec(arbitrary_change(), 0..4),
        (note(), note(), note()),
    )
        .prop_map(|(type_name, name, action, because, changes, (unknown, held, error))| PlannedResource {
            because,
            unknown: unknown.map(Arc::from),
            held: held.map(Arc::from),
            error: error.map(|message| PlanError { code: "some-code".into(), message: message.into(), hint: None }),
            ..resource(&type_name, &name, action, 1, changes)
        })
}

pub(crate) fn arbitrary_plan() -> impl Strategy<Value = Plan> {
    (arbitrary_text(), proptest::collection::vec(arbitrary_resource(), 0..6)).prop_map(|(node, resources)| Plan {
        node: node.into(),
        catalog_hash: [1; 32],
        resources,
    })
}
