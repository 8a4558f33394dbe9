//! Scans expressions for special characters. Pure.

/// A character of an expression.
#[derive(Debug, Clone, Copy)]
pub(in crate::aide::config) struct Unit {
    pub(in crate::aide::config) c: char,
    /// The offset in the text of the configuration: its own, or that of the macro that it comes from.
    pub(in crate::aide::config) at: usize,
    pub(in crate::aide::config) from_macro: bool,
}

/// The characters of an expression without macros.
pub(super) fn units(regex: &str) -> Vec<Unit> {
    let unit = |(at, c)| Unit {
        c,
        at,
        from_macro: false,
    };
    regex.char_indices().map(unit).collect()
}

/// The indexes of the `|` that separate alternatives of the whole expression.
pub(in crate::aide::config) fn bars(units: &[Unit]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut bars = Vec::new();
    let mut scanner = Scanner::new(units);
    while let Some((at, c)) = scanner.next_special() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => bars.push(at),
            _ => {}
        }
    }
    bars
}

/// The index of the parenthesis that closes the one at `open`.
pub(super) fn closing(units: &[Unit], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut scanner = Scanner { units, at: open };
    while let Some((at, c)) = scanner.next_special() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Iterates over the characters that are neither escaped nor in a class.
pub(super) struct Scanner<'a> {
    pub(super) units: &'a [Unit],
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    fn new(units: &'a [Unit]) -> Self {
        Self { units, at: 0 }
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.units.get(self.at + ahead).map(|unit| unit.c)
    }

    pub(super) fn next_special(&mut self) -> Option<(usize, char)> {
        loop {
            let c = self.peek(0)?;
            match c {
                '\\' if self.peek(1) == Some('Q') => self.skip_quoted(),
                '\\' => self.at += 2,
                '[' => self.skip_class(),
                _ => {
                    self.at += 1;
                    return Some((self.at - 1, c));
                }
            }
        }
    }

    fn skip_quoted(&mut self) {
        self.at += 2;
        while self.peek(0).is_some() {
            if self.peek(0) == Some('\\') && self.peek(1) == Some('E') {
                self.at += 2;
                return;
            }
            self.at += 1;
        }
    }

    /// `[...]`. A `]` at the start is an ordinary character.
    pub(super) fn skip_class(&mut self) {
        self.at += 1;
        if self.peek(0) == Some('^') {
            self.at += 1;
        }
        if self.peek(0) == Some(']') {
            self.at += 1;
        }
        while let Some(c) = self.peek(0) {
            match c {
                ']' => {
                    self.at += 1;
                    return;
                }
                '\\' => self.at += 2,
                '[' if matches!(self.peek(1), Some(':' | '.' | '=')) => self.skip_posix(),
                _ => self.at += 1,
            }
        }
    }

    fn skip_posix(&mut self) {
        let kind = self.peek(1);
        let mut at = self.at + 2;
        while at + 1 < self.units.len() {
            if Some(self.units[at].c) == kind && self.units[at + 1].c == ']' {
                self.at = at + 2;
                return;
            }
            at += 1;
        }
        self.at += 1;
    }
}
