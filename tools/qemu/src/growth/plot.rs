//! Draws curves with logarithmic axes: what costs the same however much there is becomes a level line.

use std::error::Error;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::prelude::{
    BLACK, ChartBuilder, Color, IntoDrawingArea, IntoLogRange, LineSeries, Palette, Palette99, PathElement,
    SVGBackend, SeriesLabelPosition, WHITE,
};

use super::{Curve, Sweep};

const SIZE: (u32, u32) = (900, 520);
const FONT: &str = "sans-serif";

/// Writes the plot of one sweep as SVG.
pub(super) fn draw(path: &Path, sweep: Sweep, curves: &[Curve]) -> Result<()> {
    let svg = svg(sweep, curves).map_err(|reason| anyhow!("cannot plot {}: {reason}", sweep.name))?;
    fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn svg(sweep: Sweep, curves: &[Curve]) -> Result<String, Box<dyn Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let most = points().map(|point| point.0).max().unwrap_or(1);
    let dearest = points().map(|point| point.1).max().unwrap_or(1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(sweep.title, (FONT, 22))
            .margin(12)
            .x_label_area_size(48)
            .y_label_area_size(80)
            .build_cartesian_2d((1..most + 1).log_scale(), (10..dearest * 2).log_scale())?;
        chart
            .configure_mesh()
            .x_desc(sweep.counts)
            .y_desc("instructions")
            .label_style((FONT, 14))
            .bold_line_style(BLACK.mix(0.2))
            .light_line_style(BLACK.mix(0.06))
            .draw()?;
        for (number, curve) in curves.iter().enumerate() {
            let style = Palette99::pick(number).stroke_width(2);
            // A logarithm of nothing there is not.
            let points = curve.points.iter().map(|&(count, value)| (count, value.max(1)));
            chart
                .draw_series(LineSeries::new(points, style).point_size(3))?
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 14))
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::super::{Curve, SWEEPS};
    use super::svg;

    #[test]
    fn a_plot_names_its_axes_and_every_curve() {
        let curve = |name: &str| Curve {
            name: name.into(),
            points: vec![(1, 140), (10_000, 0)],
        };
        let svg = svg(SWEEPS[0], &[curve("shmget"), curve("IPC_STAT")]).expect("a plot");
        for text in [SWEEPS[0].counts, "instructions", "shmget", "IPC_STAT", "10000"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }
}
