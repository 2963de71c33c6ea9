//! TOML, by `toml_edit`, which keeps comments and blanks.

use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Formatted, InlineTable, Item, RawString, Table, TableLike, Value};

use super::{Format, Operation, Step, refused};
use crate::edit::Flaw;

/// TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TomlFormat;

fn parse(text: &str) -> Result<DocumentMut, Flaw> {
    text.parse::<DocumentMut>().map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Flaw::malformed(line, error.message().lines().next().unwrap_or("this is no TOML").to_owned(), "mend it by hand")
    })
}

impl Format for TomlFormat {
    fn empty(&self) -> &'static str {
        ""
    }

    fn read(&self, text: &str) -> Result<Json, Flaw> {
        parse(text).map(|document| table(document.as_table()))
    }

    fn change(&self, text: &str, operation: &Operation) -> Result<String, Flaw> {
        let mut document = parse(text)?;
        let (Operation::Set(at, _) | Operation::Insert(at, _) | Operation::Remove(at)) = operation;
        let lost = || refused(at, "it is not where it was");
        let Some((last, above)) = at.split_last() else {
            let Operation::Set(_, Json::Object(map)) = operation else { return Err(refused(at, "a TOML file is a table")) };
            let fresh = new_table(map);
            *document.as_table_mut() = fresh;
            return Ok(document.to_string());
        };
        let mut parent = document.as_item_mut();
        for step in above {
            parent = child(parent, step).ok_or_else(lost)?;
        }
        match (operation, last) {
            (Operation::Insert(_, value) | Operation::Set(_, value), Step::Key(key)) => {
                set(parent, key, value).ok_or_else(lost)?
            }
            (Operation::Insert(_, new), Step::Index(_)) => push(parent, new).ok_or_else(lost)?,
            (Operation::Set(_, new), Step::Index(index)) => {
                let place = parent.as_array_mut().and_then(|array| array.get_mut(*index)).ok_or_else(lost)?;
                let decor = place.decor().clone();
                *place = value(new);
                *place.decor_mut() = decor;
            }
            (Operation::Remove(_), Step::Key(key)) => {
                let is_root = above.is_empty();
                let kept = take(parent, key).ok_or_else(lost)?;
                if is_root && !kept.is_empty() {
                    let trailing = format!("{kept}{}", document.trailing().as_str().unwrap_or_default());
                    document.set_trailing(trailing);
                }
            }
            (Operation::Remove(_), Step::Index(index)) => {
                if let Some(array) = parent.as_array_mut() {
                    take_item(array, *index).ok_or_else(lost)?;
                } else {
                    parent.as_array_of_tables_mut().ok_or_else(lost)?.remove(*index);
                }
            }
        }
        Ok(document.to_string())
    }
}

fn child<'i>(item: &'i mut Item, step: &Step) -> Option<&'i mut Item> {
    match step {
        Step::Key(key) => item.get_mut(&**key),
        Step::Index(index) => item.get_mut(*index),
    }
}

/// Gives a key of a table its value; the comments around it stay.
fn set(parent: &mut Item, key: &str, new: &Json) -> Option<()> {
    let is_inline = parent.is_inline_table();
    let parent = parent.as_table_like_mut()?;
    match (parent.get_mut(key), new) {
        (Some(found), new) if found.is_value() && (is_inline || !new.is_object()) => {
            let found = found.as_value_mut()?;
            let decor = found.decor().clone();
            *found = value(new);
            *found.decor_mut() = decor;
        }
        // A table stays where it is in the file, with what is said above it.
        (Some(Item::Table(table)), Json::Object(map)) if !is_inline && !table.is_dotted() => {
            let mut fresh = new_table(map);
            fresh.set_implicit(fresh.is_implicit() && table.is_implicit());
            fresh.set_position(table.position());
            *fresh.decor_mut() = table.decor().clone();
            *table = fresh;
        }
        (Some(found), new) => {
            // What is said above a table is said above the value that takes its place.
            let above = match found {
                Item::Table(table) => table.decor().prefix().and_then(|prefix| prefix.as_str()).map(str::to_owned),
                Item::ArrayOfTables(tables) => {
                    tables.get(0).and_then(|first| first.decor().prefix()?.as_str()).map(str::to_owned)
                }
                _ => parent.key(key).and_then(|key| key.leaf_decor().prefix()?.as_str()).map(str::to_owned),
            };
            parent.remove(key);
            parent.insert(key, item(new, is_inline));
            let above = above.filter(|above| above.contains('#'));
            match (above, parent.get_mut(key)) {
                (Some(above), Some(Item::Table(table))) => {
                    // A table that has no header of its own has no place for a comment.
                    if above.contains('#') {
                        table.set_implicit(false);
                    }
                    table.decor_mut().set_prefix(above);
                }
                (Some(above), _) => {
                    if let Some(mut key) = parent.key_mut(key) {
                        key.leaf_decor_mut().set_prefix(above);
                    }
                }
                _ => {}
            }
        }
        (None, new) => {
            let mut new = item(new, is_inline);
            if is_inline {
                // The blank before the brace is written behind the last value.
                let last = parent.iter_mut().last().and_then(|(_, item)| item.as_value_mut());
                if let Some((last, new)) = last.zip(new.as_value_mut())
                    && let Some(suffix) = last.decor().suffix().and_then(|suffix| suffix.as_str()).map(str::to_owned)
                {
                    last.decor_mut().set_suffix("");
                    *new.decor_mut() = toml_edit::Decor::new(" ", suffix);
                }
            }
            parent.insert(key, new);
        }
    }
    Some(())
}

fn push(parent: &mut Item, new: &Json) -> Option<()> {
    if let Some(tables) = parent.as_array_of_tables_mut() {
        let Json::Object(map) = new else { return None };
        tables.push(new_table(map));
        return Some(());
    }
    let array = parent.as_array_mut()?;
    // An item goes on a line of its own where the others do.
    let prefix = array.iter().last().and_then(|last| last.decor().prefix()?.as_str()).map(str::to_owned);
    let is_first = array.is_empty();
    // What is said behind the last item stays behind it.
    let last = array.len().checked_sub(1).and_then(|last| array.get_mut(last));
    let suffix = last.as_ref().map(|last| text(last.decor().suffix())).unwrap_or_default();
    let rest = format!("{suffix}{}", text(Some(array.trailing())));
    let (said, below) = rest.split_once('\n').filter(|(said, _)| !is_first && said.contains('#')).unwrap_or_default();
    if !said.is_empty() {
        if let Some(last) = array.len().checked_sub(1).and_then(|last| array.get_mut(last)) {
            last.decor_mut().set_suffix("");
        }
        array.set_trailing(format!("\n{below}"));
    }
    array.push(value(new));
    let indent = prefix.as_deref().filter(|prefix| prefix.contains('\n')).and_then(|prefix| prefix.rsplit('\n').next());
    if (!is_first && indent.is_some() || !said.is_empty())
        && let Some(last) = array.len().checked_sub(1).and_then(|last| array.get_mut(last))
    {
        last.decor_mut().set_prefix(format!("{}\n{}", said.trim_end(), indent.unwrap_or_default()));
    }
    Some(())
}

/// Takes an item away, with what is said behind it on its line and above it. What is said of the item before it stays there.
fn take_item(array: &mut Array, index: usize) -> Option<()> {
    array.get(index)?;
    let removed = array.remove(index);
    let before = text(removed.decor().prefix());
    let between = |after: &str| match after.split_once('\n') {
        Some((own, rest)) => {
            let ending = if own.ends_with('\r') { "\r\n" } else { "\n" };
            format!("{}{ending}{rest}", before.split('\n').next().unwrap_or_default().trim_end())
        }
        None => before.clone(),
    };
    if let Some(next) = array.get_mut(index) {
        let prefix = between(&text(next.decor().prefix()));
        next.decor_mut().set_prefix(prefix);
        return Some(());
    }
    let after = format!("{}{}", text(removed.decor().suffix()), text(Some(array.trailing())));
    if after.contains('\n') {
        array.set_trailing(between(&after));
    } else if let Some((said, _)) = before.split_once('\n').filter(|(said, _)| said.contains('#')) {
        array.set_trailing(format!("{said}\n"));
    } else {
        array.set_trailing(if array.is_empty() { "" } else { &after });
    }
    Some(())
}

fn text(raw: Option<&RawString>) -> String {
    raw.and_then(RawString::as_str).unwrap_or_default().to_owned()
}

/// Takes a key away and returns the comments above it that no key below it could take.
fn take(parent: &mut Item, key: &str) -> Option<String> {
    let table = parent.as_table_like_mut()?;
    let above = comments(table, key);
    let next = table.iter().map(|(name, _)| name.to_owned()).skip_while(|name| name != key).nth(1);
    table.remove(key)?;
    if above.is_empty() {
        return Some(String::new());
    }
    if let Some(mut next) = next.and_then(|name| table.key_mut(&name)) {
        let own = next.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        next.leaf_decor_mut().set_prefix(format!("{above}{own}"));
        return Some(String::new());
    }
    Some(above)
}

/// The comments right above a key.
fn comments(table: &dyn TableLike, key: &str) -> String {
    let Some(key) = table.key(key) else { return String::new() };
    let prefix = key.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    if prefix.contains('#') { prefix.to_owned() } else { String::new() }
}

fn table(table: &dyn TableLike) -> Json {
    Json::Object(table.iter().filter(|(_, item)| !item.is_none()).map(|(key, item)| (key.to_owned(), read(item))).collect())
}

fn read(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => read_value(value),
        Item::Table(it) => table(it),
        Item::ArrayOfTables(tables) => Json::Array(tables.iter().map(|it| table(it)).collect()),
    }
}

fn read_value(value: &Value) -> Json {
    match value {
        Value::String(it) => Json::String(it.value().clone()),
        Value::Integer(it) => Json::from(*it.value()),
        // A float that JSON has no number for, inf and nan, is told by its name.
        Value::Float(it) => {
            serde_json::Number::from_f64(*it.value()).map_or_else(|| Json::String(it.value().to_string()), Json::Number)
        }
        Value::Boolean(it) => Json::Bool(*it.value()),
        // There is no date in the language: one that is written as text is the same.
        Value::Datetime(it) => Json::String(it.value().to_string()),
        Value::Array(items) => Json::Array(items.iter().map(read_value).collect()),
        Value::InlineTable(it) => table(it),
    }
}

/// A value as it stands behind a key or in a list.
fn value(new: &Json) -> Value {
    match new {
        // The types refuse it before: TOML has nothing for it.
        Json::Null => Value::from(""),
        Json::Bool(it) => Value::from(*it),
        Json::Number(it) => match it.as_i64() {
            Some(integer) => Value::from(integer),
            None => Value::Float(Formatted::new(it.as_f64().unwrap_or_default())),
        },
        Json::String(it) => Value::from(it.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(value).collect::<Array>()),
        Json::Object(map) => Value::InlineTable(map.iter().map(|(key, new)| (key.as_str(), value(new))).collect::<InlineTable>()),
    }
}

/// What stands behind a key of a table: a table of its own where that is possible.
fn item(new: &Json, is_inline: bool) -> Item {
    match new {
        Json::Object(map) if !is_inline => Item::Table(new_table(map)),
        Json::Array(items) if !is_inline && !items.is_empty() && items.iter().all(Json::is_object) => {
            let tables = items.iter().filter_map(Json::as_object).map(new_table);
            Item::ArrayOfTables(tables.collect::<ArrayOfTables>())
        }
        new => Item::Value(value(new)),
    }
}

fn new_table(map: &serde_json::Map<String, Json>) -> Table {
    let mut table = Table::new();
    // A table of tables alone needs no header of its own.
    table.set_implicit(!map.is_empty() && map.values().all(Json::is_object));
    for (key, new) in map {
        table.insert(key, item(new, false));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.into())
    }

    #[track_caller]
    fn check(text: &str, operation: Operation, expected: &str) {
        let changed = TomlFormat.change(text, &operation).expect("it can be changed");
        assert_eq!(changed, expected);
        TomlFormat.read(&changed).expect("it is TOML");
    }

    #[test]
    fn a_table_stays_where_it_is() {
        let text = "# head\n[x]\na = 1\n# mid\n[y]\nb = 2\n";
        let set = |map: Json| Operation::Set(vec![key("x")], map);
        check(text, set(serde_json::json!({})), "# head\n[x]\n# mid\n[y]\nb = 2\n");
        check(text, set(serde_json::json!({ "c": 3 })), "# head\n[x]\nc = 3\n# mid\n[y]\nb = 2\n");
        check(text, set(serde_json::json!({ "c": { "d": 1 } })), "# head\n[x]\n\n[x.c]\nd = 1\n# mid\n[y]\nb = 2\n");
    }

    #[test]
    fn a_comment_behind_an_item_goes_with_it() {
        let text = "l = [ 1, # one\n  2, # two\n  3, # three\n]\n";
        let remove = |index| Operation::Remove(vec![key("l"), Step::Index(index)]);
        check(text, remove(0), "l = [\n  2, # two\n  3, # three\n]\n");
        check(text, remove(1), "l = [ 1, # one\n  3, # three\n]\n");
        check(text, remove(2), "l = [ 1, # one\n  2, # two\n]\n");
        let bare = "l = [\n  1, # one\n  2 # two\n]\n";
        check(bare, remove(1), "l = [\n  1 # one\n]\n");
        check("l = [\n  1, # one\n  2]\n", remove(1), "l = [\n  1 # one\n]\n");
        check("l = [1, 2, 3]\n", remove(0), "l = [2, 3]\n");
        check("l = [ 1, 2 ]\n", remove(1), "l = [ 1 ]\n");
        check("l = [ 1 ]\n", remove(0), "l = []\n");
        check("l = [\n  1, # one\n]\n", remove(0), "l = [\n]\n");
    }

    #[test]
    fn a_comment_behind_the_last_item_stays_there() {
        let insert = Operation::Insert(vec![key("l"), Step::Index(1)], serde_json::json!(2));
        check("l = [\n  1, # one\n]\n", insert.clone(), "l = [\n  1, # one\n  2,\n]\n");
        check("l = [\n  1 # one\n]\n", insert, "l = [\n  1, # one\n  2\n]\n");
    }
}
