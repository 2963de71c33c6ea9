//! A source on a host and what is usually done with it.

use stead_tests::host::Host;
use stead_tests::output::{Output, Planned, pending};

/// Where [`Site::new`] puts its source.
const SOURCE: &str = "/root/site.stead";

/// A host with one source file on it.
pub(crate) struct Site {
    pub(crate) host: Host,
}

impl Site {
    /// Boots a host and puts `source` on it; `None` where hosts are switched off.
    pub(crate) fn new(source: &str) -> Option<Self> {
        let site = Self { host: Host::boot()? };
        site.source(source);
        Some(site)
    }

    /// The same on a host with git, Python's venv and gpg.
    pub(crate) fn with_tools(source: &str) -> Option<Self> {
        let site = Self { host: Host::boot_with_tools()? };
        site.source(source);
        Some(site)
    }

    /// Replaces the source.
    pub(crate) fn source(&self, source: &str) {
        self.host.write(SOURCE, source);
    }

    /// Plans, with more arguments.
    pub(crate) fn stead(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut all = vec![verb, SOURCE];
        all.extend_from_slice(arguments);
        self.host.stead(&all)
    }

    /// The plan.
    #[track_caller]
    pub(crate) fn plan(&self) -> Vec<Planned> {
        self.stead("plan", &["--json"]).expect_code(0).plan()
    }

    /// Applies, whatever comes of it.
    pub(crate) fn apply(&self) -> Output {
        self.stead("apply", &["--yes", "--json"])
    }

    /// Applies, which must succeed, and plans again, which must find nothing to do.
    #[track_caller]
    pub(crate) fn converge(&self) -> Output {
        let output = self.apply().expect_code(0);
        self.nothing_is_left();
        output
    }

    /// Asserts that a plan is empty.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        let output = self.stead("plan", &["--json", "--detailed-exitcode"]);
        let plan = output.plan();
        assert_eq!(pending(&plan), [""; 0], "a plan after the apply is empty\n{output}");
        assert_eq!(output.code, 0, "{output}");
    }
}

/// The planned resource with this id.
#[track_caller]
pub(crate) fn planned<'p>(plan: &'p [Planned], id: &str) -> &'p Planned {
    let found = plan.iter().find(|resource| resource.id == id);
    found.unwrap_or_else(|| panic!("{id} is not in the plan: {:?}", plan.iter().map(|resource| &resource.id).collect::<Vec<_>>()))
}
