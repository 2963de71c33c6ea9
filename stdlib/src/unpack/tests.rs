use super::*;

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 100 };

/// A tar with entries by name: `dir/`, `link -> target`, `hard => target`, `file` with its name as content, `fifo |`.
fn tar(entries: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o4755);
        let (name, kind, link) = match (entry.split_once(" -> "), entry.split_once(" => "), entry.strip_suffix(" |")) {
            (Some((name, target)), ..) => (name, tar::EntryType::Symlink, target),
            (_, Some((name, target)), _) => (name, tar::EntryType::Link, target),
            (_, _, Some(name)) => (name, tar::EntryType::Fifo, ""),
            _ if entry.ends_with('/') => (*entry, tar::EntryType::Directory, ""),
            _ => (*entry, tar::EntryType::Regular, ""),
        };
        header.set_entry_type(kind);
        let content = if kind == tar::EntryType::Regular { name.as_bytes() } else { b"" };
        header.set_size(content.len() as u64);
        // Names that the library would refuse to write are put in by hand.
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, content).expect("memory can be written to");
    }
    builder.into_inner().expect("memory can be written to")
}

fn everything() -> Selection {
    Selection::new(0, [].into_iter(), [].into_iter(), false).expect("there is no pattern")
}

/// What is in it, or why it is refused.
fn read(bytes: &[u8], selection: &Selection) -> String {
    match Index::read(bytes, selection, LIMITS) {
        Ok(index) => {
            let shown = |(path, member): (&PathBuf, &Member)| match &member.target {
                Some(target) => format!("{} -> {}", path.display(), target.display()),
                None => format!("{} {:o}", path.display(), member.mode),
            };
            index.members.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        Err(refusal) => {
            let error = refusal.into_error("it");
            format!("{}: {error}", error.code())
        }
    }
}

#[test]
fn a_tar_is_listed_with_the_directories_it_leaves_out() {
    let bytes = tar(&["./", "./a/b", "a/link -> b", "a/hard => a/b", "c/"]);
    assert_eq!(read(&bytes, &everything()), "a 755, a/b 755, a/hard 755, a/link -> b, c 755");
}

#[test]
fn what_is_unsafe_is_refused_as_a_whole() {
    for (entries, expected) in [
        (&["a", "../b"][..], "unsafe-archive: it is refused as a whole: its entry `../b` has `..` in its name"),
        (&["a/../../b"], "unsafe-archive: it is refused as a whole: its entry `a/../../b` has `..` in its name"),
        (&["/etc/passwd"], "unsafe-archive: it is refused as a whole: its entry `/etc/passwd` has an absolute name"),
        (
            &["x -> /etc", "x/passwd"],
            "unsafe-archive: it is refused as a whole: its entry `x` is a symlink that leads out, to `/etc`",
        ),
        (
            &["x -> y", "x/p"],
            "unsafe-archive: it is refused as a whole: its entry `x/p` lies behind the symlink `x` of the archive",
        ),
        (
            &["d/x -> ../../y"],
            "unsafe-archive: it is refused as a whole: its entry `d/x` is a symlink that leads out, to `../../y`",
        ),
        (
            &["p/q/a -> ../..", "p/q/b -> a/../.."],
            "unsafe-archive: it is refused as a whole: its entry `p/q/b` is a symlink that leads out, to `a/../..`",
        ),
        (&["x", "x/y"], "unsafe-archive: it is refused as a whole: its entry `x/y` lies below the file `x` of the archive"),
        (&["p |"], "unsafe-archive: it is refused as a whole: its entry `p` is a pipe"),
        (&["h => /etc/shadow"], "unsafe-archive: it is refused as a whole: its entry `/etc/shadow` has an absolute name"),
        (
            &["h => other"],
            "unsafe-archive: it is refused as a whole: its entry `h` is a hard link to `other`, which is no file of the archive",
        ),
    ] {
        assert_eq!(read(&tar(entries), &everything()), expected);
    }
}

#[test]
fn links_may_lead_out_where_that_is_said() {
    let selection = Selection::new(0, [].into_iter(), [].into_iter(), true).expect("there is no pattern");
    assert_eq!(read(&tar(&["x -> /etc"]), &selection), "x -> /etc");
    assert!(read(&tar(&["x -> /etc", "x/y"]), &selection).starts_with("unsafe-archive"));
}

#[test]
fn names_are_stripped_and_chosen() {
    let bytes = tar(&["app-1/bin/app", "app-1/doc/a.md", "app-1/doc/b.txt", "README"]);
    let select = |strip, include: &[&'static str], exclude: &[&'static str]| {
        Selection::new(strip, include.iter().copied(), exclude.iter().copied(), false).expect("they are patterns")
    };
    assert_eq!(read(&bytes, &select(1, &[], &[])), "bin 755, bin/app 755, doc 755, doc/a.md 755, doc/b.txt 755");
    assert_eq!(read(&bytes, &select(1, &["app-1/bin"], &[])), "bin 755, bin/app 755");
    assert_eq!(read(&bytes, &select(0, &["**/*.md"], &[])), "app-1 755, app-1/doc 755, app-1/doc/a.md 755");
    assert_eq!(read(&bytes, &select(2, &[], &["app-1/doc", "README"])), "app 755");
    assert_eq!(read(&tar(&["a", "b => a"]), &select(0, &[], &["a"])), "b 755", "what a link names may be left out");
    let bad = Selection::new(0, ["a["].into_iter(), [].into_iter(), false).expect_err("it is no pattern");
    assert_eq!(bad.0, "a[");
}

#[test]
fn every_compression_is_understood() {
    use std::io::Write as _;
    let plain = tar(&["a/b"]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).expect("memory can be written to");
    let gz = gz.finish().expect("memory can be written to");
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz.write_all(&plain).expect("memory can be written to");
    let bz = bz.finish().expect("memory can be written to");
    let zst = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    for bytes in [&plain, &gz, &bz, &zst] {
        assert_eq!(read(bytes, &everything()), "a 755, a/b 755");
    }
    // Two frames in one file, as pzstd makes them.
    let (first, second) = plain.split_at(512);
    let compress = |part: &[u8]| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
    assert_eq!(read(&[compress(first), compress(second)].concat(), &everything()), "a 755, a/b 755");
    // Cut off, each is damaged rather than shorter.
    for bytes in [&gz, &bz, &zst] {
        let cut = read(&bytes[..bytes.len() - 6], &everything());
        assert!(cut.starts_with("damaged-archive"), "{cut}");
    }
    assert!(read(b"", &everything()).starts_with("damaged-archive"));
    assert!(read(b"<html>not found</html>", &everything()).starts_with("damaged-archive"));
}

/// The same made by the tools that users have, where they are there.
#[test]
fn archives_of_the_usual_tools_are_read() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(folder.path().join("a/b")).expect("a directory");
    std::fs::write(folder.path().join("a/b/c"), "text\n").expect("a file");
    std::os::unix::fs::symlink("c", folder.path().join("a/b/l")).expect("a link");
    for (options, name) in [("-cJf", "x.tar.xz"), ("-czf", "x.tar.gz"), ("-cjf", "x.tar.bz2"), ("-cf", "x.tar")] {
        let path = folder.path().join(name);
        let made = std::process::Command::new("tar").args([options, name, "a"]).current_dir(folder.path()).output();
        if !made.is_ok_and(|made| made.status.success()) {
            continue;
        }
        let bytes = std::fs::read(&path).expect("it was made");
        let found = read(&bytes, &everything());
        assert!(found.ends_with("a/b/c 644, a/b/l -> c"), "{name}: {found}");
        if name != "x.tar" {
            let cut = read(&bytes[..bytes.len() - 6], &everything());
            assert!(cut.starts_with("damaged-archive"), "{name}: {cut}");
        }
    }
}

#[test]
fn a_zip_is_read_with_its_modes_and_links() {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("a/run", options.unix_permissions(0o755)).expect("a file");
    zip.write_all(b"#!/bin/sh\n").expect("its content");
    zip.add_symlink("a/link", "run", options).expect("a link");
    zip.add_directory("d", options).expect("a directory");
    let bytes = zip.finish().expect("an archive").into_inner();
    assert_eq!(read(&bytes, &everything()), "a 755, a/link -> run, a/run 755, d 755");
    assert!(read(&bytes[..bytes.len() - 10], &everything()).starts_with("damaged-archive"));

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("../../x", options).expect("a file");
    let bytes = zip.finish().expect("an archive").into_inner();
    assert!(read(&bytes, &everything()).starts_with("unsafe-archive"), "{}", read(&bytes, &everything()));
}

#[test]
fn bombs_are_refused() {
    use std::io::Write as _;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_size(64 << 20);
    header.set_mode(0o644);
    header.as_mut_bytes()[0] = b'x';
    header.set_cksum();
    gz.write_all(header.as_bytes()).expect("memory can be written to");
    gz.write_all(&vec![0; 64 << 20]).expect("memory can be written to");
    let bytes = gz.finish().expect("memory can be written to");
    assert!(bytes.len() < 100 << 10);
    assert_eq!(read(&bytes, &everything()), "archive-too-large: it is refused as a whole: unpacked it is larger than 1MiB");
    let many: Vec<String> = (0..101).map(|number| format!("f{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(read(&tar(&many), &everything()), "archive-too-large: it is refused as a whole: it has more than 100 entries");
}

#[test]
fn contents_come_to_every_name_that_has_them() {
    let bytes = tar(&["a", "b => a", "c"]);
    let index = Index::read(&bytes, &everything(), LIMITS).expect("it can be read");
    let mut found = Vec::new();
    contents::<std::io::Error>(
        &bytes,
        &index,
        LIMITS,
        |path| path != Path::new("c"),
        |paths, content| {
            let mut text = String::new();
            content.read_to_string(&mut text)?;
            found.push((paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(), text));
            Ok(())
        },
    )
    .expect("it can be read again");
    assert_eq!(found, [(vec!["a".to_owned(), "b".to_owned()], "a".to_owned())]);
}
