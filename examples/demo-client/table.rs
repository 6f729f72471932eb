//! The transcript: a row per request, a column per run.

pub(crate) struct Row {
    pub(crate) request: String,
    pub(crate) must_work: bool,
    pub(crate) without: String,
    pub(crate) within: String,
    pub(crate) control_ok: bool,
    pub(crate) ok: bool,
}

/// Three columns and their gaps fit a terminal of 100.
const WIDTHS: [usize; 3] = [30, 30, 34];

pub(crate) fn print(rows: &[Row]) {
    line(["request", "without jail", "in the jail"]);
    line(["-------", "------------", "-----------"]);
    for row in rows {
        let cells = [
            row.request.clone(),
            format!("{} {}", mark(row.control_ok, true, "works"), row.without),
            match row.must_work {
                true => format!("{} {}", mark(row.ok, true, "works"), row.within),
                false => format!("{} {}", mark(row.ok, false, "refused"), row.within),
            },
        ];
        block(&cells);
    }
}

/// The word that a cell begins with: what happened, and plainly so where it should not have.
fn mark(ok: bool, must_work: bool, word: &str) -> String {
    match (ok, must_work) {
        (true, _) => format!("{word}:"),
        (false, true) => "FAILS:".to_owned(),
        (false, false) => "NOT REFUSED:".to_owned(),
    }
}

fn block(cells: &[String; 3]) {
    let wrapped = [0, 1, 2].map(|i| wrap(&cells[i], WIDTHS[i]));
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    for i in 0..height {
        line([0, 1, 2].map(|column| wrapped[column].get(i).map_or("", String::as_str)));
    }
    println!();
}

fn line(cells: [&str; 3]) {
    let [request, without, within] = cells;
    let [first, second, _] = WIDTHS;
    println!("{}", format!("{request:first$}  {without:second$}  {within}").trim_end());
}

/// Breaks at blanks, and inside words that are wider than the column (paths).
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(width) {
            let gap = usize::from(!line.is_empty());
            if line.chars().count() + gap + piece.len() > width {
                lines.push(std::mem::take(&mut line));
            } else if gap > 0 {
                line.push(' ');
            }
            line.extend(piece);
        }
    }
    lines.push(line);
    lines
}
