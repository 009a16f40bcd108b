//! What processes cost: processor time and the most memory they have had, as the kernel counts them.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

/// The kernel's unit of processor time: 100 a second on every Linux that we know.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process and its threads so far, in user and kernel mode.
///
/// # Errors
/// If there is no such process.
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in brackets and may hold anything; utime and stime are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(") ").context("a name in brackets")?;
    let ticks: u32 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

/// The most memory that a process has had, in MiB.
///
/// # Errors
/// If there is no such process.
pub fn high_water_mib(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

/// Counts what processes spend from now on.
#[derive(Debug)]
pub struct Meter {
    processes: Vec<(&'static str, u32, Duration)>,
    started: Instant,
}

/// What a stretch of work cost.
#[derive(Debug, Clone)]
pub struct Spent {
    /// Things done.
    pub events: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Microseconds of processor time for each event, by process.
    pub cpu_us: Vec<(&'static str, f64)>,
    high_water_mib: Vec<(&'static str, u64)>,
}

impl Meter {
    /// Of these processes.
    ///
    /// # Errors
    /// If one doesn't run.
    pub fn start(processes: &[(&'static str, u32)]) -> anyhow::Result<Self> {
        let processes = processes.iter().map(|&(name, pid)| Ok((name, pid, processor_time(pid)?)));
        Ok(Self { processes: processes.collect::<anyhow::Result<_>>()?, started: Instant::now() })
    }

    /// Ends it, after so many events.
    ///
    /// # Errors
    /// If a process has ended.
    pub fn stop(self, events: u64) -> anyhow::Result<Spent> {
        let elapsed = self.started.elapsed();
        let mut spent = Spent { events, elapsed, cpu_us: Vec::new(), high_water_mib: Vec::new() };
        for (name, pid, before) in self.processes {
            let used = processor_time(pid).with_context(|| name)?.saturating_sub(before);
            spent.cpu_us.push((name, used.as_secs_f64() * 1e6 / as_f64(events)));
            spent.high_water_mib.push((name, high_water_mib(pid)?));
        }
        Ok(spent)
    }
}

impl Spent {
    /// Events in a second.
    pub fn per_second(&self) -> f64 {
        as_f64(self.events) / self.elapsed.as_secs_f64()
    }

    /// Microseconds of one process for an event.
    pub fn of(&self, name: &str) -> f64 {
        self.cpu_us.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, cpu_us)| *cpu_us)
    }

    /// Microseconds of all processes for an event.
    pub fn of_all(&self) -> f64 {
        self.cpu_us.iter().map(|(_, cpu_us)| cpu_us).sum()
    }

    /// For the report.
    pub fn figures(&self) -> Value {
        let cpu: Map<_, _> = self.cpu_us.iter().map(|(name, us)| ((*name).to_owned(), round(*us).into())).collect();
        let high: Map<_, _> =
            self.high_water_mib.iter().map(|(name, mib)| ((*name).to_owned(), (*mib).into())).collect();
        json!({
            "events": self.events, "elapsed_s": round(self.elapsed.as_secs_f64()), "per_second": self.per_second().round(),
            "cpu_us_per_event": cpu, "high_water_mib": high,
        })
    }
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "far less than 2^52")]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}

/// To a hundredth.
pub fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let me = std::process::id();
        let meter = Meter::start(&[("me", me)]).unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(started.elapsed());
        }
        let spent = meter.stop(100).unwrap();
        assert!((100.0..100_000.0).contains(&spent.of("me")), "{spent:?}");
        assert!(high_water_mib(me).unwrap() > 0);
        assert!(processor_time(u32::MAX).is_err());
    }
}
