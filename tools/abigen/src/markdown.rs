//! From documentation comments to a page: links without targets, paragraphs, tables.

/// Text without rustdoc's links, whose targets are not on the page: [`Tag`] becomes `Tag`.
pub(crate) fn plain(text: impl AsRef<str>) -> String {
    let mut rest = text.as_ref();
    let mut plain = String::new();
    while let Some((before, link)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            plain.push_str("[`");
            rest = link;
            continue;
        };
        let name = name.rsplit("Self::").next().unwrap_or(name);
        plain.push_str(&format!("`{name}`"));
        // What follows in parentheses is the target, if nothing stands between.
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    plain + rest
}

/// The paragraphs of a comment, each in one line.
pub(crate) fn paragraphs(docs: &[&str]) -> Vec<String> {
    let blocks = docs.split(|line| line.trim().is_empty());
    let joined = blocks.map(|block| block.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "));
    joined.filter(|block| !block.is_empty()).map(plain).collect()
}

/// Words in lines of at most [`WIDTH`] characters, as far as the words allow.
pub(crate) fn wrapped(paragraph: &str) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}

/// Characters in a line of text.
const WIDTH: usize = 110;

/// The first paragraph.
pub(crate) fn brief(docs: &[&str]) -> String {
    paragraphs(docs).into_iter().next().unwrap_or_default()
}

/// A table; empty without rows.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = rows.into_iter().map(|row| line(&row)).collect();
    if rows.is_empty() {
        return String::new();
    }
    line(&head) + &line(&["---"; N]) + &rows.concat()
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<_> = cells
        .iter()
        .map(|cell| cell.as_ref().replace('|', "\\|"))
        .collect();
    format!("| {} |\n", cells.join(" | "))
}

/// As code; nothing stays nothing.
pub(crate) fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, paragraphs, plain, table, wrapped};

    #[test]
    fn links_become_what_they_name() {
        assert_eq!(
            plain("an [`Errno`](crate::Errno), or [`Self::Receive`]."),
            "an `Errno`, or `Receive`."
        );
        assert_eq!(plain("[`Tag`] (of a message)"), "`Tag` (of a message)");
        assert_eq!(plain("no link, [not] one"), "no link, [not] one");
        assert_eq!(plain("[`open"), "[`open");
    }

    #[test]
    fn paragraphs_end_at_empty_lines() {
        assert_eq!(
            paragraphs(&[" One", " and one.", "", " Two."]),
            ["One and one.", "Two."]
        );
    }

    #[test]
    fn lines_are_as_long_as_fits_and_a_long_word_has_one_of_its_own() {
        let long = "x".repeat(WIDTH + 1);
        assert_eq!(wrapped(&format!("a {long} b c")), format!("a\n{long}\nb c"));
        assert!(
            wrapped(&"word ".repeat(100))
                .lines()
                .all(|line| line.len() <= WIDTH)
        );
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it_and_a_table_without_rows_is_none() {
        assert_eq!(
            table(["a"], [["b | c".to_owned()]]),
            "| a |\n| --- |\n| b \\| c |\n"
        );
        assert_eq!(table(["a"], []), "");
    }
}
