//! Whether the machine is still as the plan saw it.

use stead_catalog::{Change, PlannedResource, Shown};

use crate::{ApplyError, Difference, Managed, Observation};

/// Compares what is found at a resource's turn with what was planned.
///
/// # Errors
/// [`ApplyError::Moved`] when the change would be another than the one that was planned.
pub(super) fn as_planned(
    entry: &PlannedResource,
    managed: &dyn Managed,
    observed: &Observation,
    difference: &Difference,
) -> Result<(), ApplyError> {
    if entry.unknown.is_some() || difference.is_none() {
        return Ok(());
    }
    // The package manager's own comparison, right before its transaction, covers what the wishes of others bring along.
    if managed.package_wish().is_some() {
        return Ok(());
    }
    let moved = |what: String| Err(ApplyError::Moved { what });
    // Of a thing that nothing was known of, more may turn out to differ than the plan could name.
    let is_open = entry.changes.iter().any(|planned| matches!(planned.before, Shown::Unknown(_)));
    for change in &difference.changes {
        // One attribute may stand for several changes, such as all that a purge removes.
        let mut planned = entry.changes.iter().filter(|planned| planned.attribute == change.attribute).peekable();
        if planned.peek().is_none() && !is_open {
            return moved(format!("`{}` differs, which was not planned", change.attribute));
        }
        if planned.peek().is_some() && !planned.any(|planned| is_same(planned, change)) {
            return moved(format!("`{}` is not what the plan saw", change.attribute));
        }
    }
    match (entry.digest, managed.digest(observed)) {
        (Some(planned), Some(found)) if planned != found => moved("its state is not the one that the plan saw".into()),
        _ => Ok(()),
    }
}

fn is_same(planned: &Change, found: &Change) -> bool {
    let side = |planned: &Shown, found: &Shown| matches!(planned, Shown::Unknown(_)) || planned == found;
    side(&planned.before, &found.before) && side(&planned.after, &found.after)
}

/// Names what still differs after a change.
pub(super) fn remaining(difference: &Difference) -> String {
    if difference.changes.is_empty() {
        return format!("{} is still to be done", difference.action.name());
    }
    let names: Vec<String> = difference.changes.iter().map(|change| format!("`{}`", change.attribute)).collect();
    format!("{} still differs", names.join(", "))
}
