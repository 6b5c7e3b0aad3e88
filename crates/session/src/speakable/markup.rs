//! Markdown, tags and emoji: what is for the eye only.

/// Takes the markup out of `text` and puts it on one line.
///
/// Headings and list items end like sentences, so that the voice pauses between them.
pub(super) fn strip(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let (line, stands_alone) = without_line_marks(line.trim());
        let line = inline(line);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(line);
        if stands_alone && line.ends_with(char::is_alphanumeric) {
            plain.push('.');
        }
    }
    plain
}

/// The line without heading, list, quote and fence marks; whether it stood alone as such.
fn without_line_marks(line: &str) -> (&str, bool) {
    if line.starts_with("```") || line.starts_with("~~~") || is_rule(line) {
        return ("", false);
    }
    let quoted = line.trim_start_matches('>').trim_start();
    let heading = quoted.trim_start_matches('#');
    if heading.len() < quoted.len() && heading.starts_with(' ') {
        return (heading, true);
    }
    for bullet in ["- ", "* ", "+ ", "• "] {
        if let Some(item) = quoted.strip_prefix(bullet) {
            let item = item.trim_start();
            let open = item.strip_prefix("[ ] ").or_else(|| item.strip_prefix("[x] "));
            return (open.unwrap_or(item), true);
        }
    }
    (quoted, false)
}

/// A horizontal rule, or the line under a table's head.
fn is_rule(line: &str) -> bool {
    line.len() >= 3 && line.chars().all(|c| "-*_=|: ".contains(c))
}

fn inline(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut plain = String::with_capacity(line.len());
    let mut at = 0;
    while at < chars.len() {
        if let Some((inside, after)) = link(&chars, at) {
            plain.push_str(&inline(&inside));
            at = after;
        } else if let Some(after) = tag(&chars, at) {
            plain.push(' ');
            at = after;
        } else {
            push_visible(&chars, at, &mut plain);
            at += 1;
        }
    }
    plain
}

/// `[text](address)` and `![text](address)`: the text, and where the link ends.
fn link(chars: &[char], at: usize) -> Option<(String, usize)> {
    let open = if chars[at] == '!' { at + 1 } else { at };
    if chars.get(open) != Some(&'[') {
        return None;
    }
    let close = open + chars[open..].iter().position(|&c| c == ']')?;
    if chars.get(close + 1) != Some(&'(') {
        return None;
    }
    let end = close + chars[close..].iter().position(|&c| c == ')')?;
    Some((chars[open + 1..close].iter().collect(), end + 1))
}

/// `<b>`, `</b>`, `<br/>`: where the tag ends.
fn tag(chars: &[char], at: usize) -> Option<usize> {
    if chars[at] != '<' {
        return None;
    }
    let name = if chars.get(at + 1) == Some(&'/') { at + 2 } else { at + 1 };
    if !chars.get(name)?.is_ascii_alphabetic() {
        return None;
    }
    Some(at + chars[at..].iter().position(|&c| c == '>')? + 1)
}

fn push_visible(chars: &[char], at: usize, plain: &mut String) {
    let before = at.checked_sub(1).map_or(' ', |before| chars[before]);
    let after = chars.get(at + 1).copied().unwrap_or(' ');
    match chars[at] {
        '`' => {}
        // Alone between spaces it is a multiplication sign.
        '*' if before != ' ' || after != ' ' || at == 0 => {}
        '~' if before == '~' || after == '~' => {}
        '_' if !(before.is_alphanumeric() && after.is_alphanumeric()) => {}
        '|' => plain.push_str(", "),
        '’' => plain.push('\''),
        c if is_for_the_eye(c) => plain.push_str(if c.is_control() { " " } else { "" }),
        c => plain.push(c),
    }
}

/// Emoji, arrows, boxes, dingbats, their modifiers and joiners, control characters, trademark signs.
fn is_for_the_eye(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '©' | '®' | '™' | '\u{ad}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
        | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2460}'..='\u{27bf}'
        | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{20e3}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_marks() {
        for (text, plain) in [
            ("## Heading", "Heading."),
            ("#hashtag stays", "#hashtag stays"),
            ("- [x] done\n- [ ] open!", "done. open!"),
            ("> - quoted item", "quoted item."),
            ("-5 degrees", "-5 degrees"),
            ("~~~\ncode\n~~~", "code"),
            ("a\n\n\nb", "a b"),
            ("| a | b |\n|---|---|", ",  a ,  b ,"),
        ] {
            assert_eq!(strip(text), plain, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_markup_stays() {
        for text in
            ["5 * 3", "x_y", "a < b", "[not a link]", "(aside)", "a ~ b", "wow!", "1 <2", "[a](b"]
        {
            assert_eq!(strip(text), text);
        }
    }

    #[test]
    fn links_may_hold_markup() {
        assert_eq!(strip("see [**the** `menu`](x) and ![](y.png)!"), "see the menu and !");
    }
}
