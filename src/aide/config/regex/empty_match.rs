//! Whether an expression may match nothing. Pure.

use super::scanner::{Scanner, Unit, bars, closing};

/// Maximum number of groups that are examined, nested or in a sequence.
const MAX_GROUPS: usize = 8;

/// Whether an alternative of a rule's path may match `/` itself.
pub(in crate::aide::config) fn may_match_root(alternative: &[Unit]) -> bool {
    let mut rest = alternative.get(1..).unwrap_or_default();
    // `/*` may match `/`, too.
    while let Some(Unit {
        c: '*' | '+' | '?', ..
    }) = rest.first()
    {
        rest = &rest[1..];
    }
    alternative.first().is_some_and(|unit| unit.c == '/')
        && (rest.first().is_some_and(|unit| unit.c == '{') || may_be_empty(rest, MAX_GROUPS))
}

/// Whether a sequence may match nothing. Also true if this is unknown, or if it has more than this number of
/// groups.
fn may_be_empty(units: &[Unit], groups: usize) -> bool {
    let mut at = 0;
    while at < units.len() {
        let mut scanner = Scanner { units, at };
        let end = match units[at].c {
            '^' | '$' => {
                at += 1;
                continue;
            }
            '(' => return groups == 0 || group_may_be_empty(units, at, groups - 1),
            '\\' if matches!(
                scanner.peek(1),
                Some('z' | 'Z' | 'b' | 'B' | 'Q' | 'E' | 'A' | 'G' | 'K' | '0'..='9' | 'g' | 'k')
            ) =>
            {
                return true;
            }
            '\\' => at + 2,
            '[' => {
                scanner.skip_class();
                scanner.at
            }
            _ => at + 1,
        };
        match units.get(end).map(|unit| unit.c) {
            Some('?' | '*') => at = end + 1,
            Some('{') => return true,
            _ => return false,
        }
        // Lazy and possessive quantifiers.
        while matches!(units.get(at).map(|unit| unit.c), Some('?' | '+')) {
            at += 1;
        }
    }
    true
}

/// Whether one of the alternatives of a group may match nothing, and the sequence after it, too.
fn group_may_be_empty(units: &[Unit], open: usize, groups: usize) -> bool {
    let Some(close) = closing(units, open) else {
        return true;
    };
    let mut inside = &units[open + 1..close];
    let extended = inside.first().is_some_and(|unit| unit.c == '?');
    if extended {
        if inside.get(1).is_none_or(|unit| unit.c != ':') {
            // Lookarounds, flags and names are not examined.
            return true;
        }
        inside = &inside[2..];
    }
    let mut from = 0;
    let mut ends = bars(inside);
    ends.push(inside.len());
    let mut empty = false;
    for end in ends {
        empty |= may_be_empty(&inside[from..end], groups);
        from = end + 1;
    }
    let mut after = close + 1;
    match units.get(after).map(|unit| unit.c) {
        Some('{') => return true,
        Some('?' | '*') => {
            empty = true;
            after += 1;
        }
        Some('+') => after += 1,
        _ => {}
    }
    while matches!(units.get(after).map(|unit| unit.c), Some('?' | '+')) {
        after += 1;
    }
    empty && may_be_empty(&units[after..], groups)
}
