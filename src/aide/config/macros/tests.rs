use super::*;

fn readings(config: &str, text: &str) -> Readings {
    let mut macros = Macros::default();
    config
        .split_inclusive('\n')
        .for_each(|line| macros.advance(&Line::parse(line)));
    macros.read(text)
}

fn known(values: &[&str]) -> Readings {
    Readings::Known(values.iter().map(|&value| value.to_owned()).collect())
}

#[test]
fn definitions_are_tracked() {
    let config = "@@define A /a\n@@define B @@{A}/b # why\n@@define A /c\n";
    assert_eq!(readings(config, "@@{B}:@@{A}"), known(&["/a/b:/c"]));
    assert_eq!(readings(config, "x@@{NONE}y"), known(&["xy"]));
    assert_eq!(readings(config, "\\@@{A} @@{A"), known(&["@@{A} @@{A"]));
}

#[test]
fn conditions_add_values() {
    let config = "@@define A /a\n@@ifdef X\n@@define A /b\n@@undef A\n@@endif\n";
    assert_eq!(readings(config, "@@{A}/x"), known(&["/a/x", "/b/x", "/x"]));
    assert_eq!(
        readings("@@if exists /x\n@@define A /a\n@@endif\n", "@@{A}"),
        known(&["", "/a"])
    );
}

/// A configuration that excludes files by their dates has one rule per date.
#[test]
fn a_long_list_of_values_is_tracked() {
    let days: Vec<String> = (100..500).map(|day| format!("2026-{day}")).collect();
    let days = format!("({})", days.join("|"));
    let config = format!("@@define DAYS {days}\n@@define LOG @@{{DAYS}}.log\n");
    assert_eq!(
        readings(&config, "/var/@@{LOG}"),
        known(&[&format!("/var/{days}.log")])
    );
}

#[test]
fn too_long_values_are_unknown() {
    let config = "@@define A aaaaaaaaaaaaaaaa\n".to_owned() + &"@@define A @@{A}@@{A}\n".repeat(60);
    assert_eq!(readings(&config, "@@{A}"), Readings::Unknown);
}

#[test]
fn too_many_values_are_unknown() {
    let mut config: String = ["0", "1", "2", "3", "4", "5", "6", "7", "8"]
        .map(|n| "@@define A# a\n@@ifdef X\n@@define A# b\n@@endif\n".replace('#', n))
        .concat();
    config += "@@define ALL @@{A0}@@{A1}@@{A2}@@{A3}@@{A4}@@{A5}@@{A6}@@{A7}@@{A8}\n";
    assert_eq!(readings(&config, "@@{ALL}"), Readings::Unknown);
    assert!(readings(&config, "@@{ALL}").any(|_| false));
    assert!(!readings(&config, "@@{ALL}").all(|_| true));
}
