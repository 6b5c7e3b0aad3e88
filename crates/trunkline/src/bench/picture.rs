//! The certificate's picture: mouth to ear against callers, and where the time of a turn went.

use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Color, DrawingArea, IntoDrawingArea, LineSeries, PathElement, RED,
        RGBColor, Rectangle, SVGBackend, SeriesLabelPosition, WHITE,
    },
};

use super::{
    certificate::Certificate,
    tally::{Figures, Spread, Stages},
};

const SIZE: (u32, u32) = (960, 420);
/// Where the curve ends and the bars begin.
const MIDDLE: i32 = 520;
/// What is drawn of a `T`: its name, its colour, its value.
type Drawable<T> = (&'static str, RGBColor, fn(&T) -> f64);

/// The curves.
const CURVES: [Drawable<Spread>; 3] = [
    ("p50", RGBColor(46, 125, 50), |s| s.p50),
    ("p95", RGBColor(239, 108, 0), |s| s.p95),
    ("p99", RGBColor(106, 27, 154), |s| s.p99),
];
/// Stages of a turn, in their order.
const STAGES: [Drawable<Stages>; 5] = [
    ("endpoint", RGBColor(176, 190, 197), |s| s.endpoint),
    ("stt", RGBColor(66, 165, 245), |s| s.stt),
    ("llm", RGBColor(126, 87, 194), |s| s.llm_first_token),
    ("tts", RGBColor(38, 166, 154), |s| s.tts_first_audio),
    ("playout", RGBColor(141, 110, 99), |s| s.playout),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The picture as SVG.
pub(super) fn draw(certificate: &Certificate) -> Result<String, String> {
    let mut svg = String::new();
    paint(certificate, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn paint(certificate: &Certificate, svg: &mut String) -> Drawn {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(MIDDLE);
    curves(certificate, &left)?;
    bars(&certificate.levels, &right)?;
    area.present()?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "at most 2000 callers")]
fn curves(certificate: &Certificate, area: &Area<'_>) -> Drawn {
    let levels: Vec<(f64, Spread)> = certificate
        .levels
        .iter()
        .filter_map(|l| Some((l.callers as f64, l.mouth_to_ear_ms?)))
        .collect();
    let slo = certificate.slo().as_secs_f64() * 1000.0;
    let highest = levels.iter().map(|(_, spread)| spread.p99).fold(slo, f64::max) * 1.1;
    let most = levels.iter().map(|(callers, _)| *callers).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("mouth to ear, ms, against callers at once", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..most * 1.05, 0.0..highest)?;
    chart.configure_mesh().light_line_style(WHITE).draw()?;
    chart
        .draw_series(LineSeries::new([(0.0, slo), (most * 1.05, slo)], RED.mix(0.5)))?
        .label("limit of p95")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 14, y)], RED.mix(0.5)));
    for (name, colour, of) in CURVES {
        let points = levels.iter().map(|(callers, spread)| (*callers, of(spread)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK.mix(0.2))
        .background_style(WHITE)
        .draw()?;
    Ok(())
}

/// One bar a level, the medians of its stages end to end.
#[expect(clippy::cast_precision_loss, reason = "a handful of levels")]
fn bars(levels: &[Figures], area: &Area<'_>) -> Drawn {
    let staged: Vec<(usize, Stages)> =
        levels.iter().filter_map(|l| Some((l.callers, l.stages_ms?))).collect();
    let longest = staged
        .iter()
        .map(|(_, stages)| STAGES.iter().map(|(_, _, of)| of(stages).max(0.0)).sum())
        .fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("stages of a turn, medians, ms", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..longest * 1.05, 0.0..staged.len().max(1) as f64)?;
    let name = |row: &f64| {
        let found =
            staged.iter().enumerate().find(|(nth, _)| (*nth as f64 + 0.5 - row).abs() < 0.01);
        found.map(|(_, (callers, _))| format!("{callers} calls")).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(WHITE)
        .y_labels(2 * staged.len().max(1) + 1)
        .y_label_formatter(&name)
        .draw()?;
    for (stage, (label, colour, of)) in STAGES.iter().enumerate() {
        let boxes = staged.iter().enumerate().map(|(row, (_, stages))| {
            let before: f64 = STAGES[..stage].iter().map(|(_, _, of)| of(stages).max(0.0)).sum();
            let (low, high) = (row as f64 + 0.2, row as f64 + 0.8);
            Rectangle::new([(before, low), (before + of(stages).max(0.0), high)], colour.filled())
        });
        let colour = *colour;
        chart
            .draw_series(boxes)?
            .label(*label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK.mix(0.2))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}
