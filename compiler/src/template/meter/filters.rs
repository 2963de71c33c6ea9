//! minijinja's own filters, told beforehand how much they will make.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value as Jinja, filters};

use super::{ELEMENT, Size, charge, fits, size_of, text_fits};

/// Filters that walk what they are given, and how many bytes they make of each of its bytes at most.
const WALKING: &[(&str, usize)] = &[
    // A sign of HTML becomes `&quot;`.
    ("escape", 6),
    ("e", 6),
    ("upper", 3),
    ("lower", 3),
    ("title", 3),
    ("capitalize", 3),
    ("trim", 1),
    ("string", 10),
    ("dictsort", 2),
    ("items", 2),
    ("sum", 1),
    ("min", 1),
    ("max", 1),
    ("groupby", 2),
    ("zip", 2),
    ("chain", 1),
    // Characters become elements.
    ("reverse", ELEMENT),
    ("split", ELEMENT),
    ("lines", ELEMENT),
    ("list", ELEMENT),
    ("sort", ELEMENT),
    ("unique", ELEMENT),
    ("batch", ELEMENT),
    ("slice", ELEMENT),
    ("replace", 1),
    ("join", 10),
    ("indent", 1),
    ("tojson", 6),
    ("pprint", 10),
    ("format", 1),
];

/// The name under which minijinja's filter `name` is kept.
fn kept(name: &str) -> String {
    format!("stead_native_{name}")
}

/// Puts a filter that pays before each filter of [`WALKING`].
pub(super) fn register(environment: &mut Environment<'static>) {
    keep_native(environment);
    for (name, factor) in WALKING {
        let native = kept(name);
        environment.add_filter(*name, move |state: &State<'_, '_>, args: Rest<Jinja>| -> Result<Jinja, Error> {
            let sizes = args.iter().map(|arg| size_of(state, arg)).collect::<Result<Vec<Size>, Error>>()?;
            let walked: usize = sizes.iter().map(|size| size.bytes).sum();
            charge(state, walked.saturating_mul(*factor))?;
            charge(state, more(name, &args, &sizes)?)?;
            let made = state.apply_filter(&native, &args)?;
            if let Some(text) = made.as_str() {
                text_fits(text.len())?;
            }
            Ok(made)
        });
    }
}

fn keep_native(environment: &mut Environment<'static>) {
    environment.add_filter(kept("escape"), filters::escape);
    environment.add_filter(kept("e"), filters::escape);
    environment.add_filter(kept("upper"), filters::upper);
    environment.add_filter(kept("lower"), filters::lower);
    environment.add_filter(kept("title"), filters::title);
    environment.add_filter(kept("capitalize"), filters::capitalize);
    environment.add_filter(kept("trim"), filters::trim);
    environment.add_filter(kept("string"), filters::string);
    environment.add_filter(kept("dictsort"), filters::dictsort);
    environment.add_filter(kept("items"), filters::items);
    environment.add_filter(kept("sum"), filters::sum);
    environment.add_filter(kept("min"), filters::min);
    environment.add_filter(kept("max"), filters::max);
    environment.add_filter(kept("groupby"), filters::groupby);
    environment.add_filter(kept("zip"), filters::zip);
    environment.add_filter(kept("chain"), filters::chain);
    environment.add_filter(kept("reverse"), filters::reverse);
    environment.add_filter(kept("split"), filters::split);
    environment.add_filter(kept("lines"), filters::lines);
    environment.add_filter(kept("list"), filters::list);
    environment.add_filter(kept("sort"), filters::sort);
    environment.add_filter(kept("unique"), filters::unique);
    environment.add_filter(kept("batch"), filters::batch);
    environment.add_filter(kept("slice"), filters::slice);
    environment.add_filter(kept("replace"), filters::replace);
    environment.add_filter(kept("join"), filters::join);
    environment.add_filter(kept("indent"), filters::indent);
    environment.add_filter(kept("tojson"), filters::tojson);
    environment.add_filter(kept("pprint"), filters::pprint);
    environment.add_filter(kept("format"), filters::format);
}

/// What a filter makes besides what it walks.
fn more(name: &str, args: &[Jinja], sizes: &[Size]) -> Result<usize, Error> {
    let depths = sizes.first().map_or(0, |size| size.depths);
    match name {
        "replace" => match args {
            [whole, from, to, ..] => {
                let (whole, from, to) = (whole.to_string(), from.to_string(), to.to_string());
                let size = whole.matches(&*from).count().saturating_mul(to.len());
                text_fits(size).map(|()| size)
            }
            _ => Ok(0),
        },
        "join" => {
            let size = args.first().and_then(Jinja::len).unwrap_or(0);
            let size = size.saturating_mul(args.get(1).map_or(0, |joiner| joiner.to_string().len()));
            text_fits(size).map(|()| size)
        }
        "indent" => {
            let width = number(args, 1, "width");
            let lines = args.first().and_then(Jinja::as_str).map_or(0, |text| text.matches('\n').count());
            let size = width.saturating_mul(lines + 2);
            text_fits(size).map(|()| size)
        }
        "tojson" => {
            let size = number(args, 1, "indent").saturating_mul(depths + 1);
            text_fits(size).map(|()| size)
        }
        "pprint" => Ok(depths.saturating_mul(4)),
        "batch" | "slice" => {
            let count = number(args, 1, "");
            fits(count, crate::builtins::MAX_ITEMS, "a list of more than 1000000 elements").map(|()| count * ELEMENT)
        }
        "format" => {
            let size = formatted(args, sizes);
            text_fits(size).map(|()| size)
        }
        _ => Ok(0),
    }
}

/// The number that stands at a place among the arguments, or has a name.
fn number(args: &[Jinja], at: usize, name: &str) -> usize {
    let named = || {
        let kwargs = args.iter().find(|arg| arg.is_kwargs())?;
        Kwargs::try_from(kwargs.clone()).ok()?.get::<Option<usize>>(name).ok().flatten()
    };
    args.get(at).and_then(Jinja::as_usize).or_else(named).unwrap_or(0)
}

/// The most that a format with these arguments gives: each sign of a conversion as wide as the largest number says, with all that is
/// given.
fn formatted(args: &[Jinja], sizes: &[Size]) -> usize {
    let Some(format) = args.first().and_then(Jinja::as_str) else { return 0 };
    let written = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let widths = written.map(|digits| digits.parse().unwrap_or(usize::MAX));
    // A `*` takes its width from the arguments.
    let given = args[1..].iter().filter(|_| format.contains('*')).filter_map(Jinja::as_usize);
    let width = widths.chain(given).max().unwrap_or(0);
    let values: usize = sizes[1..].iter().map(|size| size.bytes).sum();
    width.saturating_add(values).saturating_mul(format.matches('%').count())
}
