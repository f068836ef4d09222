use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use prynai_bus::operations::{
    CallSight, DeadSight, EntrySight, GatewaySight, Lease, OpenTasks, Overview, Place, TaskCounts,
    WorkerSight,
};
use prynai_operations::explain::{Around, attention, explain};
use prynai_operations::look::call::Call;
use prynai_operations::look::letters::Letters;
use prynai_operations::look::queue::Queue;
use prynai_operations::look::status::Status;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw::draw;
use super::sight::{List, Sight, Wanted};
use super::state::{Next, Screen};

const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}evil\r\n";

fn entry(number: usize, tool: &str, worker: Option<&str>) -> EntrySight {
    EntrySight {
        entry: format!("17850000000{number:02}-0"),
        age_ms: 4200,
        bytes: 574,
        is_readable: true,
        stream: Some(format!("{number:032x}")),
        method: Some("tools/call".to_owned()),
        name: Some(tool.to_owned()),
        principal: Some("anonymous".to_owned()),
        lease: worker.map(|worker| Lease {
            worker: worker.to_owned(),
            delivery: 1,
            renewed_ms_ago: 10,
            is_handed_back: false,
        }),
        ..EntrySight::default()
    }
}

fn status() -> Status {
    let overview = Overview {
        has_group: true,
        waiting: 40,
        oldest_waiting_ms: Some(45_000),
        running: 2,
        dead_letters: 1,
        tasks: Some(TaskCounts {
            working: 3,
            input_required: 1,
            kept: 9,
        }),
        open_tasks: Some(OpenTasks {
            queued: 1,
            oldest_ms: Some(65_000),
            has_more: false,
        }),
        ..Overview::default()
    };
    let worker = |name: &str, is_alive| WorkerSight {
        worker: name.to_owned(),
        is_alive,
        is_listening: is_alive,
        running: 1,
        ..WorkerSight::default()
    };
    let workers = vec![worker("wk-one", true), worker("wk-two", false)];
    let gateways = vec![GatewaySight {
        gateway: "gw-one".to_owned(),
        is_alive: true,
        is_listening: false,
        version: None,
        heard_ms_ago: Some(1000),
    }];
    Status {
        attention: attention(&overview, &workers, &gateways),
        place: Place {
            bus: "redis 127.0.0.1:6379".to_owned(),
            prefix: "prynai:".to_owned(),
            has_server: true,
            is_there: true,
            others: Vec::new(),
        },
        overview,
        workers,
        gateways,
    }
}

/// What the screen wants, of a fleet in which this is queued.
fn sight(screen: &Screen, entries: &[EntrySight]) -> Sight {
    let wanted = screen.wanted();
    let list = match &wanted {
        Wanted::Processes => List::Processes,
        Wanted::Queue => List::Queue(Queue {
            entries: entries.to_vec(),
            lost: Vec::new(),
            looked_at: entries.len(),
            has_more: false,
            has_unreadable: false,
            next: None,
        }),
        Wanted::Dead => List::Dead(Letters {
            letters: vec![EntrySight {
                dead: Some(DeadSight {
                    entry: "1785000000000-0".to_owned(),
                    reason: "begun 3 times".to_owned(),
                }),
                ..entry(7, "poison", None)
            }],
            has_more: false,
            next: None,
        }),
        Wanted::Call(_) => {
            let call = CallSight {
                now_ms: 1_785_000_004_200,
                stream: entries[0].stream.clone(),
                entry: Some(entries[0].clone()),
                log: None,
                dead: None,
                is_cancelled: false,
                mail: 0,
                worker: None,
                holder: None,
            };
            let (overview, workers) = (Overview::default(), Vec::new());
            let around = Around {
                overview: &overview,
                workers: &workers,
            };
            List::Call(Box::new(Call {
                explanation: explain(&call, None, &around),
                call,
                events: Vec::new(),
            }))
        }
    };
    Sight {
        wanted,
        status: status(),
        list,
    }
}

/// A screen of this fleet after these keys.
fn after(keys: &str, entries: &[EntrySight]) -> Screen {
    let mut screen = Screen::new();
    screen.saw(sight(&screen, entries));
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            key => KeyCode::Char(key),
        };
        let next = screen.press(KeyEvent::new(code, KeyModifiers::NONE));
        assert_ne!(next, Next::Quit);
        if next == Next::Look {
            screen.saw(sight(&screen, entries));
        }
    }
    screen
}

fn drawn(screen: &mut Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| draw(frame, screen))
        .expect("is drawn");
    let backend = terminal.backend();
    let lines = backend.to_string();
    // Each line stands in quotes.
    let lines = lines.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

fn fleet() -> Vec<EntrySight> {
    let tools = ["echo", "add", "Long_Running"];
    let entry = |number| entry(number, tools[number % 3], (number < 2).then_some("wk-one"));
    (0..42).map(entry).collect()
}

#[test]
fn each_list_has_its_key_and_its_name() {
    let fleet = fleet();
    for (keys, shown) in [
        ("1", "ENTRY"),
        ("2", "WORKER"),
        ("3", "GATEWAY"),
        ("4", "LETTER"),
        (":q\u{1b}", "ENTRY"),
        (":queue\n", "ENTRY"),
        (":w\n", "WORKER"),
        (":gateways\n", "GATEWAY"),
        (":dead\n", "LETTER"),
    ] {
        let text = drawn(&mut after(keys, &fleet), 100, 30);
        let titles = text.lines().filter(|line| line.starts_with(shown)).count();
        assert_eq!(titles, 1, "{keys:?}\n{text}");
        assert!(text.contains("40 wait (45.0 s)"), "{text}");
        let tasks = "tasks 2 run, 1 queued, 1 waits for its client (oldest 1 min 5 s)";
        assert!(text.contains(tasks), "{text}");
        assert!(
            text.contains("gateway gw-one lives, and hears nothing"),
            "{text}"
        );
    }
    let text = drawn(&mut after(":nonsense\n", &fleet), 80, 24);
    assert!(text.contains("there is no list"), "{text}");
    let text = drawn(&mut after("?", &fleet), 80, 24);
    assert!(text.contains("/            filter"), "{text}");
    let mut screen = after("", &fleet);
    let quit = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    assert_eq!(screen.press(quit), Next::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for keys in ["", "/x", ":x", "?"] {
        assert_eq!(after(keys, &fleet).press(interrupt), Next::Quit, "{keys}");
    }
}

#[test]
fn the_filter_is_heeded_while_it_is_typed_and_goes_with_escape() {
    let fleet = fleet();
    let rows = |keys: &str| {
        let text = drawn(&mut after(keys, &fleet), 100, 60);
        text.lines().filter(|line| line.starts_with("1785")).count()
    };
    assert_eq!(rows(""), 42);
    assert_eq!(rows("/long_r"), 14);
    assert_eq!(rows("/long_r\n"), 14);
    assert_eq!(rows("/WK-ONE\n"), 2);
    assert_eq!(rows("/nothing like it"), 0);
    assert_eq!(rows("/long_r\n\u{1b}"), 42);
    assert_eq!(rows("/long_r\u{1b}"), 42);
    // What is typed has a bound.
    let long = format!("/{}", "x".repeat(1000));
    assert_eq!(after(&long, &fleet).filter.len(), 64);
}

#[test]
fn the_selection_stays_with_its_row_and_leads_to_the_details_and_back() {
    let fleet = fleet();
    let selected = |screen: &mut Screen| {
        let listing = screen.listing().expect("a list");
        let at = screen.selection(&listing.rows);
        listing.rows[at].name.clone()
    };
    let mut screen = after("jjjk", &fleet);
    assert_eq!(selected(&mut screen), fleet[2].entry);
    // The first ones have ended.
    screen.saw(sight(&screen, &fleet[2..]));
    assert_eq!(selected(&mut screen), fleet[2].entry);
    screen.saw(sight(&screen, &fleet[3..]));
    assert_eq!(selected(&mut screen), fleet[3].entry);
    assert_eq!(selected(&mut after("G", &fleet)), fleet[41].entry);
    assert_eq!(selected(&mut after("Gg", &fleet)), fleet[0].entry);
    let end = drawn(&mut after("G", &fleet), 80, 24);
    assert!(end.contains(&fleet[41].entry), "{end}");

    let details = drawn(&mut after("jj\n", &fleet), 80, 24);
    assert!(details.contains("what          tools/call"), "{details}");
    let mut back = after("jj\n\u{1b}", &fleet);
    assert_eq!(selected(&mut back), fleet[2].entry);
    let of_worker = drawn(&mut after("2\n", &fleet), 80, 24);
    assert!(of_worker.contains("/wk-one"), "{of_worker}");
    let of_letter = drawn(&mut after("4\n", &fleet), 80, 24);
    assert!(of_letter.contains("call 0000"), "{of_letter}");
}

#[test]
fn it_fits_every_terminal_and_says_how_old_it_is() {
    let fleet = fleet();
    for keys in ["", "2", "3", "4", "\n", "?", "/x", ":x"] {
        for (width, height) in [(80, 24), (200, 50), (20, 5), (1, 1), (3, 40)] {
            let mut screen = after(keys, &fleet);
            drawn(&mut screen, width, height);
        }
    }
    let mut screen = after("", &fleet);
    screen.failed("Redis cannot be reached");
    let text = drawn(&mut screen, 80, 24);
    let title = text.lines().next().unwrap_or_default();
    assert!(title.contains("ago: Redis cannot be reached"), "{text}");
    screen.saw(sight(&screen, &fleet));
    assert!(!drawn(&mut screen, 80, 24).contains("cannot be reached"));
}

#[test]
fn what_clients_and_workers_are_called_does_nothing_to_the_terminal() {
    let mut hostile = entry(1, HOSTILE, Some(HOSTILE));
    hostile.principal = Some(HOSTILE.to_owned());
    hostile.stream = Some(HOSTILE.to_owned());
    for keys in ["", "\n", "/evil"] {
        let mut screen = after(keys, &[hostile.clone()]);
        if let Some(seen) = &mut screen.seen {
            seen.status.place.prefix = HOSTILE.to_owned();
            seen.status.workers[1].worker = HOSTILE.to_owned();
            let status = &seen.status;
            seen.status.attention = attention(&status.overview, &status.workers, &status.gateways);
        }
        screen.failed(HOSTILE);
        let text = drawn(&mut screen, 200, 50);
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.chars().any(acts), "{text:?}");
        assert!(text.contains("\\u{1b}[2J"), "{text}");
    }
}
