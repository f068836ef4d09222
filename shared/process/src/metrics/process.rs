//! What the process takes of its machine, under the names that all client libraries of Prometheus give it.

use prometheus::core::Desc;
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

use super::{Collect, Metrics};
use crate::clock;

/// Ticks of `/proc/self/stat` in a second: `USER_HZ`, which Linux fixed at 100 (proc(5), sysconf(3)).
const TICKS_PER_SECOND: f64 = 100.0;

const CPU: (&str, &str, &str) = (
    "process_cpu_seconds_total",
    "counter",
    "Time on processors, of the process and of the system for it, in seconds.",
);
const RESIDENT: (&str, &str, &str) = (
    "process_resident_memory_bytes",
    "gauge",
    "Memory that the process has in RAM, in bytes.",
);
const VIRTUAL: (&str, &str, &str) = (
    "process_virtual_memory_bytes",
    "gauge",
    "Memory that the process has addresses for, in bytes.",
);
const OPEN_FDS: (&str, &str, &str) = (
    "process_open_fds",
    "gauge",
    "Open file descriptors: connections and files.",
);
const MAX_FDS: (&str, &str, &str) = (
    "process_max_fds",
    "gauge",
    "File descriptors that the process may have open.",
);
const THREADS: (&str, &str, &str) = ("process_threads", "gauge", "Threads of the process.");
const START: (&str, &str, &str) = (
    "process_start_time_seconds",
    "gauge",
    "When the process started, in Unix seconds.",
);

/// Reads `/proc` when it is asked; other systems than Linux have only the start.
struct ProcessCollector {
    cpu: Counter,
    resident: Gauge,
    virtual_memory: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
    start: Gauge,
}

pub(super) fn register(metrics: &Metrics) {
    match ProcessCollector::new() {
        Ok(collector) => {
            let all = [CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, THREADS, START];
            metrics.collected(&all, collector);
        }
        Err(error) => panic!("the metrics of the process: {error}"),
    }
}

impl ProcessCollector {
    fn new() -> prometheus::Result<Self> {
        let gauge = |(name, _, help)| Gauge::new(name, help);
        let collector = Self {
            cpu: Counter::new(CPU.0, CPU.2)?,
            resident: gauge(RESIDENT)?,
            virtual_memory: gauge(VIRTUAL)?,
            open_fds: gauge(OPEN_FDS)?,
            max_fds: gauge(MAX_FDS)?,
            threads: gauge(THREADS)?,
            start: gauge(START)?,
        };
        collector.start.set(clock::unix_millis() as f64 / 1000.0);
        Ok(collector)
    }

    fn all(&self) -> [&dyn Collect; 7] {
        [
            &self.cpu,
            &self.resident,
            &self.virtual_memory,
            &self.open_fds,
            &self.max_fds,
            &self.threads,
            &self.start,
        ]
    }

    /// `None`, or a part of it, where there is no such file.
    fn look(&self) -> Option<()> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let cpu = cpu_seconds(&stat)?;
        self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let field = |name| number_after(&status, name);
        self.resident.set(field("VmRSS:")? * 1024.0);
        self.virtual_memory.set(field("VmSize:")? * 1024.0);
        self.threads.set(field("Threads:")?);
        let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
        self.max_fds.set(number_after(&limits, "Max open files")?);
        // One of them is the folder that is read.
        let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
        self.open_fds.set(open.saturating_sub(1) as f64);
        Some(())
    }
}

impl Collect for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collect::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        match self.look() {
            Some(()) => self.all().into_iter().flat_map(Collect::collect).collect(),
            None => self.start.collect(),
        }
    }
}

/// Of the process and of the system for it: `utime` and `stime`, after the name in parentheses, which may hold anything
/// (proc(5)).
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// The number behind a name at the beginning of a line.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_writes_is_read() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 150 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(cpu_seconds("7 (a"), None);
        let limits = "Max processes   1 2 processes\nMax open files    1024   4096   files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1024.0));
        assert_eq!(number_after(limits, "Max"), None);
        assert_eq!(
            number_after("Max open files  unlimited", "Max open files"),
            None
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let collector = ProcessCollector::new().expect("is made");
        // So much that it counts in ticks.
        let begun = std::time::Instant::now();
        while collector.look().is_some() && collector.cpu.get() == 0.0 {
            assert!(begun.elapsed().as_secs() < 60, "no time on processors");
        }
        assert!(collector.resident.get() > 100_000.0);
        assert!(collector.virtual_memory.get() >= collector.resident.get());
        assert!(collector.open_fds.get() >= 3.0 && collector.max_fds.get() >= 64.0);
        assert!(collector.threads.get() >= 1.0);
        let file = std::fs::File::open("/proc/self/stat").expect("opens");
        let before = collector.open_fds.get();
        assert_eq!(collector.collect().len(), 7);
        assert!(collector.open_fds.get() > before || before > 3.0);
        drop(file);
    }
}
