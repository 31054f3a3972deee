//! The tables on the terminal, and as CSV, Markdown and SVG for the book.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use nix::sys::utsname::uname;
use svg::Document;
use svg::node::element::{Circle, Group, Line, Text, Title};

use crate::{many, starts};

/// All that this writes into `target/bench`, and that is for the book.
pub const FILES: [&str; 15] = [
    "machine.md",
    "starts.csv",
    "starts.md",
    "starts.svg",
    "prices.csv",
    "prices.md",
    "network.csv",
    "network.md",
    "many.csv",
    "many.md",
    "root.csv",
    "root.md",
    "watched.csv",
    "watched.md",
    "ratios.md",
];

/// What a candidate took.
pub struct Row {
    /// Which table it is in.
    pub part: String,
    /// What it is compared in. The first row of a group is what the others are compared with.
    pub group: String,
    /// Its name.
    pub name: String,
    /// How it is linked, where that makes a difference.
    pub build: &'static str,
    /// The shortest run.
    pub min: Duration,
    /// The run in the middle.
    pub median: Duration,
    /// The median of the time that its processes have kept a processor busy.
    pub cpu: Option<Duration>,
    /// The largest memory of one of its processes, in KiB.
    pub peak: Option<u64>,
}

/// What has been measured.
pub struct Report {
    rounds: usize,
    small: PathBuf,
    rows: Vec<Row>,
    left_out: Vec<String>,
}

fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 0.1 { format!("{ms:.4}") } else { format!("{ms:.2}") }
}

impl Report {
    /// Returns an empty report of so many rounds. `small` is the program that finds out peak memory.
    pub fn new(rounds: usize, small: PathBuf) -> Report {
        Report { rounds, small, rows: Vec::new(), left_out: Vec::new() }
    }

    /// The program that finds out peak memory.
    pub fn small(&self) -> &Path {
        &self.small
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Says that something could not be measured, and why.
    pub fn leave_out(&mut self, what: impl Into<String>) {
        self.left_out.push(what.into());
    }

    fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<_> = self.rows.iter().map(|row| row.part.as_str()).collect();
        parts.dedup();
        parts
    }

    fn of_part(&self, part: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.part == part)
    }

    /// Returns the median and the minimum of a row, where it was measured.
    fn times(&self, part: &str, group: &str, name: &str, build: &str) -> Option<[Duration; 2]> {
        let found = self
            .of_part(part)
            .find(|row| row.group == group && row.name.starts_with(name) && row.build == build);
        found.map(|row| [row.median, row.min])
    }

    /// How often the median of the first of its group is in the median of `row`.
    fn ratio(&self, row: &Row) -> f64 {
        let first = self.of_part(&row.part).find(|first| first.group == row.group);
        row.median.as_secs_f64() / first.unwrap_or(row).median.as_secs_f64()
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        vec![
            row.group.clone(),
            row.name.clone(),
            row.build.into(),
            ms(row.median),
            ms(row.min),
            format!("{:.2}", self.ratio(row)),
            row.cpu.map(ms).unwrap_or_default(),
            row.peak.map(|kib| format!("{:.1}", kib as f64 / 1024.0)).unwrap_or_default(),
        ]
    }

    fn table(&self, part: &str) -> Table {
        let mut table = Table::new();
        let first = if part == starts::PART { "stage" } else { "" };
        table.set_header([
            first,
            "what",
            "build",
            "median, ms",
            "minimum, ms",
            "ratio",
            "CPU, ms",
            "peak, MiB",
        ]);
        let mut group = "";
        for row in self.of_part(part) {
            let mut cells = self.cells(row);
            if row.group == group {
                cells[0].clear();
            }
            group = &row.group;
            table.add_row(cells);
        }
        table.load_preset(presets::ASCII_MARKDOWN);
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Prints everything, and writes it into this process's directory; with `complete`, also what the ratios
    /// of all parts are to be.
    pub fn finish(&self, complete: bool) -> Result<()> {
        let machine = self.machine();
        println!("{machine}\n");
        fs::write("machine.md", format!("{machine}\n")).context("write machine.md")?;
        for part in self.parts() {
            let table = self.table(part);
            println!("{part}\n{table}\n");
            fs::write(format!("{part}.md"), format!("{table}\n")).context("write a table")?;
            self.write_csv(part)?;
        }
        if self.parts().contains(&starts::PART) {
            svg::save(format!("{}.svg", starts::PART), &self.plot()).context("write the plot")?;
        }
        for line in &self.left_out {
            println!("left out: {line}");
        }
        if complete {
            let table = self.ratios();
            println!("\nratios\n{table}");
            fs::write("ratios.md", format!("{table}\n")).context("write ratios.md")?;
        }
        Ok(())
    }

    fn write_csv(&self, part: &str) -> Result<()> {
        let mut lines = csv::Writer::from_path(format!("{part}.csv")).context("write a CSV")?;
        let header =
            ["group", "what", "build", "median_ms", "min_ms", "ratio", "cpu_ms", "peak_mib"];
        lines.write_record(header)?;
        self.of_part(part).try_for_each(|row| lines.write_record(self.cells(row)))?;
        lines.flush().context("write a CSV")
    }

    /// What the kernel, the processor and the number of runs are.
    fn machine(&self) -> String {
        let release = uname().map(|name| name.release().to_string_lossy().into_owned());
        let release = release.unwrap_or_default();
        let version: String =
            release.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find_map(|line| line.strip_prefix(name));
            Some(line?.trim_start_matches([' ', '\t', ':']).to_owned())
        };
        let virtual_machine = field("flags").is_some_and(|flags| flags.contains(" hypervisor"));
        format!(
            "Linux {}, {}{}, {} runs of each.",
            version.trim_end_matches('.'),
            field("model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            if virtual_machine { " in a virtual machine" } else { "" },
            self.rounds
        )
    }

    /// What the ratios are to be, and are.
    fn ratios(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["what", "build", "of medians", "of minima", "at most"]);
        let mut add = |what: &str, build: &str, ratios: Option<[f64; 2]>, bound: f64| {
            if let Some(ratios) = ratios {
                let [medians, minima] = ratios.map(|ratio| format!("{ratio:.2}"));
                table.add_row([what, build, &medians, &minima, &format!("{bound:.2}")]);
            }
        };
        let start = |group: &str, name: &str, build| self.times(starts::PART, group, name, build);
        let by = |above: Option<[Duration; 2]>, below: Option<[Duration; 2]>| {
            let (above, below) = (above?, below?);
            Some([0, 1].map(|i| above[i].as_secs_f64() / below[i].as_secs_f64()))
        };
        for build in crate::programs::BUILDS {
            let user = start("05-user", "05-user", build);
            for (tool, bound) in
                [("unshare", 1.15), ("bwrap", 0.75), ("crun", 1.0 / 3.0), ("runc", 1.0 / 8.0)]
            {
                let tools = start("05-user", tool, "");
                add(&format!("05-user, of {tool}"), build, by(user, tools), bound);
            }
            for stage in ["06-network", "08-cgroups"] {
                let ratio = by(start(stage, stage, build), start(stage, "floor", ""));
                add(&format!("{stage}, of the floor"), build, ratio, 2.0);
            }
            let of_build = self.of_part(starts::PART).filter(|row| row.build == build);
            let peak = of_build.filter_map(|row| row.peak).max();
            add("peak memory, of 4 MiB", build, peak.map(|kib| [kib as f64 / 4096.0; 2]), 1.0);
        }
        let ours = self.times("network", "06", "network.rs", "");
        let bare = self.times("network", "06", "bare netlink", "");
        add("network part of 06, of the bare messages", "", by(ours, bare), 2.0);
        let group = "05-user, one after the other, each";
        let each = |size| self.times(many::PART, group, size, "default");
        add("500 starts of 05-user, of 500 times one", "default", by(each("500"), each("1")), 1.1);
        table
    }

    /// Draws the medians and minima of the starts, with a logarithmic scale.
    fn plot(&self) -> Document {
        const WIDTH: f64 = 760.0;
        const LEFT: f64 = 210.0;
        const ROW: f64 = 17.0;
        const TOP: f64 = 34.0;
        let rows: Vec<_> = self.of_part(starts::PART).collect();
        let times =
            || rows.iter().flat_map(|row| [row.min, row.median]).map(|t| t.as_secs_f64() * 1e3);
        let low = times().fold(f64::INFINITY, f64::min).log10().floor().min(-1.0);
        let high = times().fold(0.0, f64::max).log10() + 0.05;
        let x = |ms: f64| LEFT + (ms.log10() - low) / (high - low) * (WIDTH - LEFT - 20.0);
        let text = |x: f64, y: f64, anchor: &str, text: &str| {
            Text::new(text).set("x", round(x)).set("y", round(y)).set("text-anchor", anchor)
        };
        let mut axis = Group::new().set("stroke", "currentColor").set("stroke-opacity", 0.25);
        let mut labels = Group::new();
        let mut dots = Group::new();
        let mut y = TOP;
        let mut group = "";
        for row in &rows {
            y += if row.group == group { ROW } else { ROW * 1.6 };
            if row.group != group {
                labels = labels.add(text(0.0, y, "start", &row.group).set("font-weight", "bold"));
            }
            group = &row.group;
            let ours = row.name == row.group;
            let name = if ours { row.build } else { &row.name };
            labels = labels.add(text(LEFT - 12.0, y, "end", name));
            let colour = match row.name.as_str() {
                "floor" => "currentColor",
                _ if ours => "#2a9d8f",
                _ => "#e07a3f",
            };
            let [min, median] = [row.min, row.median].map(|t| round(x(t.as_secs_f64() * 1e3)));
            let middle = round(y - 4.0);
            let line =
                Line::new().set("x1", min).set("x2", median).set("y1", middle).set("y2", middle);
            let tip = format!("{} {}: {} ms", row.name, row.build, ms(row.median));
            let dot = Circle::new().set("cx", median).set("cy", middle).set("r", 4.5);
            dots = dots
                .add(line.set("stroke", colour).set("stroke-width", 2))
                .add(dot.set("fill", colour).add(Title::new(tip)));
        }
        let height = y + 12.0;
        for ms in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0] {
            if (low..=high).contains(&f64::log10(ms)) {
                let at = round(x(ms));
                axis = axis
                    .add(Line::new().set("x1", at).set("x2", at).set("y1", TOP).set("y2", height));
                labels = labels.add(text(x(ms), TOP - 8.0, "middle", &format!("{ms}")));
            }
        }
        labels = labels.add(text(0.0, TOP - 8.0, "start", "ms: median, line to minimum"));
        Document::new()
            .set("viewBox", (0, 0, WIDTH, round(height)))
            .set("role", "img")
            .set("font-size", 12)
            .set("font-family", "sans-serif")
            .set("fill", "currentColor")
            .add(Title::new("Time of one start, for each stage, its floor and other tools"))
            .add(axis)
            .add(labels)
            .add(dots)
    }
}

/// Rounds a coordinate to what can be seen.
fn round(coordinate: f64) -> f64 {
    (coordinate * 10.0).round() / 10.0
}
