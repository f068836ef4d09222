//! The frame of a plot: axes, grid, and where a value stands.

use std::fmt::Write;

use super::escape;
use crate::report::table::count;

/// Size of a plot, in units of its own; the page scales it.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;
/// Between two entries of a legend.
const LEGEND: f64 = 60.0;

/// How values lie along an axis.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scale {
    Linear {
        from: f64,
        to: f64,
    },
    /// By factors of ten.
    Logarithmic {
        from: f64,
        to: f64,
    },
}

/// A plot that is being drawn.
pub(super) struct Plot {
    svg: String,
    x: Scale,
    y: Scale,
}

impl Scale {
    /// From nothing to a round number that is no less.
    pub(super) fn up_to(most: f64) -> Self {
        let step = step(most);
        Self::Linear {
            from: 0.0,
            to: (most / step).ceil().max(1.0) * step,
        }
    }

    /// Around values above nothing, in whole powers of ten.
    pub(super) fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(0.0, f64::max);
        if most <= 0.0 {
            return Self::Logarithmic { from: 0.1, to: 1.0 };
        }
        let from = 10f64.powf(least.log10().floor());
        let to = 10f64.powf(most.log10().ceil()).max(from * 10.0);
        Self::Logarithmic { from, to }
    }

    /// Where a value lies, between 0 and 1.
    fn part(self, value: f64) -> f64 {
        let part = match self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Logarithmic { from, to } => (value / from).ln() / (to / from).ln(),
        };
        part.clamp(0.0, 1.0)
    }

    /// Round values along the axis.
    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { from, to } => {
                let step = step(to - from);
                let count = ((to - from) / step + 1e-9).floor() as u32;
                (0..=count).map(|n| from + f64::from(n) * step).collect()
            }
            Self::Logarithmic { from, to } => {
                let decades = (to / from).log10().round() as i32;
                (0..=decades).map(|n| from * 10f64.powi(n)).collect()
            }
        }
    }
}

/// About five steps of 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let rough = (range / 5.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    let fits = [1.0, 2.0, 5.0].into_iter().find(|n| n * power >= rough);
    fits.unwrap_or(10.0) * power
}

impl Plot {
    /// An empty one, with the names of its axes.
    pub(super) fn new(x: Scale, y: Scale, x_name: &str, y_name: &str) -> Self {
        let svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n");
        let mut plot = Self { svg, x, y };
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in y.ticks() {
            let at = plot.at_y(tick);
            plot.add(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ));
            plot.text(LEFT - 6.0, at + 4.0, "end", "", &short(tick));
        }
        for tick in x.ticks() {
            let at = plot.at_x(tick);
            plot.add(format_args!(
                "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom}\" y2=\"{:.1}\"/>",
                bottom + 4.0
            ));
            plot.text(at, bottom + 18.0, "middle", "", &short(tick));
        }
        plot.add(format_args!(
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>"
        ));
        plot.text((LEFT + right) / 2.0, HEIGHT - 6.0, "middle", "", x_name);
        plot.text(0.0, TOP - 14.0, "start", "", y_name);
        plot
    }

    /// A line through values; where there is none, it is interrupted.
    pub(super) fn line(&mut self, class: &str, values: impl Iterator<Item = (f64, Option<f64>)>) {
        let mut path = String::new();
        let mut draws = false;
        for (x, y) in values {
            let Some(y) = y else {
                draws = false;
                continue;
            };
            let (x, y) = (self.at_x(x), self.at_y(y));
            let command = if draws { 'L' } else { 'M' };
            // A point alone is a line of no length, which shows with its round ends.
            let _ = write!(path, "{command}{x:.1} {y:.1}");
            if !draws {
                let _ = write!(path, "h0.1");
            }
            draws = true;
        }
        self.add(format_args!(
            "<path class=\"{class}\" stroke-linecap=\"round\" d=\"{path}\"/>"
        ));
    }

    /// A bar from the lower edge up to a value.
    pub(super) fn bar(&mut self, class: &str, (from, to): (f64, f64), value: f64) {
        if value <= 0.0 {
            return;
        }
        let (left, right, top) = (self.at_x(from), self.at_x(to), self.at_y(value));
        // At least a hair, so that nothing that was counted is unseen.
        let (width, bottom) = ((right - left - 1.0).max(0.7), HEIGHT - BOTTOM);
        let height = (bottom - top).max(1.0);
        let top = bottom - height;
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// A shade behind a part of the plot.
    pub(super) fn shade(&mut self, to: f64, name: &str) {
        let (right, bottom) = (self.at_x(to), HEIGHT - BOTTOM);
        self.add(format_args!(
            "<rect class=\"ramp\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            right - LEFT,
            bottom - TOP
        ));
        self.text(LEFT + 4.0, bottom - 6.0, "start", "", name);
    }

    /// An upright line at a value, with its name at the given row from the top.
    pub(super) fn mark(&mut self, x: f64, name: &str, row: u32) {
        let (x, bottom) = (self.at_x(x), HEIGHT - BOTTOM);
        self.add(format_args!(
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
        ));
        let down = TOP + 12.0 + 15.0 * f64::from(row);
        self.text(x + 4.0, down, "start", "mark", name);
    }

    /// What the colours mean, in the upper right corner.
    pub(super) fn legend(&mut self, entries: &[(&str, &str)]) {
        let right = WIDTH - RIGHT;
        for ((class, text), from_right) in entries.iter().rev().zip(0..) {
            let x = right - LEGEND * f64::from(from_right);
            self.text(x, TOP - 14.0, "end", class, text);
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn at_x(&self, value: f64) -> f64 {
        LEFT + self.x.part(value) * (WIDTH - LEFT - RIGHT)
    }

    fn at_y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.part(value) * (HEIGHT - BOTTOM - TOP)
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        ));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Memory is written without errors.
        let _ = writeln!(self.svg, "{element}");
    }
}

/// A number on an axis.
fn short(number: f64) -> String {
    if number >= 1e3 {
        return count(number.round() as u64);
    }
    let digits = (3.0 - number.abs().max(1e-6).log10().ceil()).clamp(0.0, 6.0) as usize;
    let text = format!("{number:.digits$}");
    // Zeros at the end say something only before the point.
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(
            Scale::up_to(730.0).ticks(),
            [0.0, 200.0, 400.0, 600.0, 800.0]
        );
        let around = Scale::around([0.3, 45.0].into_iter());
        let ticks: Vec<_> = around.ticks().into_iter().map(short).collect();
        assert_eq!(ticks, ["0.1", "1", "10", "100"]);
        assert_eq!(
            [0.0, 0.25, 5.0, 1200.0].map(short),
            ["0", "0.25", "5", "1,200"]
        );
    }

    #[test]
    fn a_value_has_its_place_and_never_leaves_the_frame() {
        let scale = Scale::Logarithmic {
            from: 1.0,
            to: 100.0,
        };
        let places = [0.1, 1.0, 10.0, 100.0, 1e9].map(|value| (scale.part(value) * 1e3).round());
        assert_eq!(places, [0.0, 0.0, 500.0, 1e3, 1e3]);
    }
}
