//! The table of standards and the tests say the same: each row has its tests, and each test that is named after a section
//! its row.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> String {
    fs::read_to_string(root().join("tests/standards.md")).expect("the table")
}

/// The tests of a row: the name of the function, and the file that it is linked to.
fn linked(row: &str) -> impl Iterator<Item = (&str, &str)> {
    row.split("[`").skip(1).filter_map(|link| {
        let (name, rest) = link.split_once("`](")?;
        Some((name, rest.split_once(')')?.0))
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn each_requirement_has_a_test_that_is_where_the_table_says() {
    let table = table();
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let mut number = 0;
    for row in rows {
        assert!(linked(row).next().is_some(), "without a link: {row}");
        for (name, file) in linked(row) {
            let text = fs::read_to_string(root().join("tests").join(file)).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "{file} has no {name}: {row}");
            number += 1;
        }
    }
    assert!(number > 0, "an empty table");
}

#[test]
fn each_test_that_is_named_after_a_section_is_in_the_table() {
    let (table, mut missing) = (table(), Vec::<String>::new());
    let folders = ["src", "tests/integration"].map(|folder| sources(&root().join(folder)));
    for file in folders.iter().flatten() {
        let text = fs::read_to_string(file).expect("a source");
        let named = text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once('(')?.0));
        let of_a_standard = |name: &&str| {
            let mut parts = name.split('_');
            matches!(parts.next(), Some("rfc" | "fapi"))
                && parts.next().is_some_and(|n| n.parse::<u32>().is_ok())
        };
        for name in named.filter(of_a_standard) {
            if !table.contains(&format!("[`{name}`]")) {
                missing.push(format!("{} has {name}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
}
