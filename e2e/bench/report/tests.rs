use super::*;

fn report(values: &[(&str, &str, f64)]) -> Report {
    let figures = values.iter().map(|(case, name, value)| Figure {
        case: (*case).to_owned(),
        name: (*name).to_owned(),
        value: *value,
        unit: "MB".to_owned(),
    });
    Report {
        part: "part".to_owned(),
        figures: figures.collect(),
    }
}

#[test]
fn a_table_has_a_column_for_each_case() {
    let report = report(&[
        ("10 nodes", "RSS", 9.75),
        ("100 nodes", "RSS", 1234.0),
        ("100 nodes", "peak", 0.02),
    ]);
    assert_eq!(
        report.table(),
        "| part | 10 nodes | 100 nodes |\n|---|---:|---:|\n\
         | RSS, MB | 9.75 | 1,234 |\n| peak, MB |  | 0.0200 |\n"
    );
}

#[test]
fn what_both_have_is_compared() {
    let base = report(&[("a", "RSS", 10.0), ("a", "removed", 1.0)]);
    let new = report(&[("a", "RSS", 5.0), ("a", "added", 1.0)]);
    assert_eq!(
        compare(&base, &new),
        "| part | | base | new | new/base |\n|---|---|---:|---:|---:|\n\
         | a | RSS, MB | 10 | 5 | 0.50 |\n"
    );
}

#[test]
fn digits_come_in_groups() {
    for (digits, expected) in [
        ("1", "1"),
        ("1000", "1,000"),
        ("-1000", "-1,000"),
        ("-100", "-100"),
        ("1234567", "1,234,567"),
    ] {
        assert_eq!(thousands(digits), expected);
    }
}
