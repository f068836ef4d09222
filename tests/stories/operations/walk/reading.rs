//! What `prynai-ops` prints, read as a person reads it.

use prynai_test_harness::process::Process;

/// The page that the walk may use; nothing else.
const PAGE: &str = include_str!("../../../../docs/operations.md");

/// Somebody at a terminal, who has read the page.
pub(super) struct Operator {
    pub(super) redis: String,
}

/// A table: its titles, and its rows.
pub(super) struct Table {
    titles: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Operator {
    /// What a command prints. It must be one that the page names.
    pub(super) async fn run(&self, command: &[&str]) -> String {
        let words = match command[0] {
            "dead" => command[..2].join(" "),
            _ => command[0].to_owned(),
        };
        let named = format!("`prynai-ops {words}");
        assert!(PAGE.contains(&named), "the page does not name {named}");
        let options = command.iter().filter(|word| word.starts_with("--"));
        for option in options {
            assert!(PAGE.contains(option), "the page does not name {option}");
        }
        let args = [&["--redis-url", &self.redis], command].concat();
        let ended = Process::run("prynai-ops", &args).await;
        assert!(ended.status.success(), "{command:?}: {}", ended.output);
        ended.stdout
    }

    /// The table that a command prints.
    pub(super) async fn table(&self, command: &[&str]) -> Table {
        Table::read(&self.run(command).await)
    }

    /// What needs attention, as `status` says it.
    pub(super) async fn concerns(&self) -> String {
        let told = self.run(&["status"]).await;
        match told.split_once("Needs attention:") {
            Some((_, concerns)) => concerns.to_owned(),
            None => {
                assert!(told.contains("Nothing needs attention."), "{told}");
                String::new()
            }
        }
    }
}

impl Table {
    /// Columns stand at least two spaces apart.
    fn read(text: &str) -> Self {
        let cells = |line: &str| {
            let cells = line.split("  ").map(str::trim);
            let cells = cells.filter(|cell| !cell.is_empty());
            cells.map(str::to_owned).collect::<Vec<_>>()
        };
        let mut lines = text.lines().map(cells);
        let titles = lines.next().unwrap_or_default();
        let rows = lines.filter(|row| row.len() == titles.len()).collect();
        Self { titles, rows }
    }

    /// The cell of a row below a title.
    pub(super) fn cell<'a>(&self, row: &'a [String], title: &str) -> &'a str {
        let at = self.titles.iter().position(|of| of == title);
        &row[at.unwrap_or_else(|| panic!("no {title} in {:?}", self.titles))]
    }

    /// All cells below a title.
    pub(super) fn column(&self, title: &str) -> Vec<&str> {
        let cells = self.rows.iter().map(|row| self.cell(row, title));
        cells.collect()
    }
}
