//! What a resource owns, brings and needs on a node: the ground of conflicts and automatic edges.

use std::fmt;
use std::sync::Arc;

/// The kind of thing a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceKind {
    /// A path in the file system, absolute and normalised.
    Path,
    /// A user account, by name.
    User,
    /// A group, by name.
    Group,
    /// A package, by name.
    Package,
    /// A package source: anything that changes what can be installed. Named by the package manager: `apt`.
    Repository,
    /// A service unit, by name with its suffix (`nginx.service`).
    Unit,
    /// Anything else that has one owner; the name carries its own prefix (`sysctl:net.core.somaxconn`).
    Other,
}

/// One thing on a node that resources can own, bring or need.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// What kind of thing.
    pub kind: PlaceKind,
    /// Its name among its kind.
    pub name: Arc<str>,
}

impl Place {
    /// A path; the caller has normalised it.
    pub fn path(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PlaceKind::Path, name: name.into() }
    }
    /// A user account.
    pub fn user(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PlaceKind::User, name: name.into() }
    }
    /// A group.
    pub fn group(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PlaceKind::Group, name: name.into() }
    }
    /// A package.
    pub fn package(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PlaceKind::Package, name: name.into() }
    }
    /// Anything else that has one owner; the name carries its own prefix.
    pub fn other(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PlaceKind::Other, name: name.into() }
    }
    /// A service unit, with its suffix.
    pub fn unit(name: impl Into<Arc<str>>) -> Self {
        Self { kind: PlaceKind::Unit, name: name.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PlaceKind::Path => "path",
            PlaceKind::User => "user",
            PlaceKind::Group => "group",
            PlaceKind::Package => "package",
            PlaceKind::Repository => "repository",
            PlaceKind::Unit => "unit",
            PlaceKind::Other => return f.write_str(&self.name),
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// What a resource owns, brings and needs.
///
/// *Owns*: one owner; two resources that own the same place differently are a conflict.
/// *Brings*: the place exists after this resource, without being owned by it (a user brings its home, an exec what it creates).
/// *Needs*: this resource comes after whatever owns or brings the place, if anything in the catalog does; a needed
/// path means the path itself and every ancestor of it.
/// *Follows*: as needs, of what can fail and leave this resource as it is: it comes after, and is not held back.
/// A resource that takes things away
/// (`state = absent`) reverses the edges by listing the places under `gone_before`.
/// *Brings below*: directories below which things appear that cannot be named beforehand (an unpacked archive): what needs a path
/// below one comes after this resource.
/// *Sweeps*: paths below which unmanaged things are removed (a purged directory).
/// *Fills*: paths whose whole content this resource decides; *edits*: paths of which it decides a part. Any number of resources
/// edit one path, one after the other; a path that one resource fills and another one edits would never settle, and is a conflict.
/// *Covers*: paths at which this resource mounts something: whatever is below comes after it, and goes before it is unmounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Places with this resource as their one owner.
    pub owns: Vec<Place>,
    /// Places that exist once this resource is applied.
    pub brings: Vec<Place>,
    /// Places that must be there first, if the catalog has them at all.
    pub needs: Vec<Place>,
    /// Places whose bringers come first, whatever becomes of them: this resource may do without.
    pub follows: Vec<Place>,
    /// Places whose users must be gone before this resource is applied: the resource that owns
    /// such a place, or is below such a path, comes first when it is itself absent.
    pub gone_before: Vec<Place>,
    /// Directories below which things exist, once this resource is applied, that it cannot name.
    pub brings_below: Vec<Arc<str>>,
    /// Directories that are emptied of what nobody manages.
    pub sweeps: Vec<Arc<str>>,
    /// Paths whose whole content is decided here.
    pub fills: Vec<Arc<str>>,
    /// Paths of which a part is decided here.
    pub edits: Vec<Arc<str>>,
    /// Paths at which something is mounted.
    pub covers: Vec<Arc<str>>,
    /// Says that the resource removes what it owns (`state = absent`).
    pub removes: bool,
}
