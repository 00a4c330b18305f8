package runlog

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"retort/engine/checkpoint"
)

// ErrNoPoints is returned when a picture has no finite point to draw.
var ErrNoPoints = errors.New("no finite point to plot")

// Point is one value at one optimizer step.
type Point struct {
	Step  int
	Value float64
}

// Curve is a named line of PlotCurves.
type Curve struct {
	Name   string
	Points []Point // in order of their steps
}

// Points picks the metric called name out of a log history.
func Points(history []Entry, name string) []Point {
	var points []Point
	for _, e := range history {
		if v, ok := e.Get(name); ok {
			points = append(points, Point{e.Step(), v})
		}
	}
	return points
}

const (
	plotWidth, plotHeight = 20 * vg.Centimeter, 12 * vg.Centimeter
	plotMargin            = 3 * vg.Millimeter
	plotDPI               = 120
)

// palette is Okabe and Ito's, which colour-blind readers can tell apart.
var palette = []color.NRGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
}

// PlotLoss draws the training loss, as logged and smoothed, and the evaluation
// loss if there is any, as a PNG at path. Points that are not finite are left
// out and counted in the title. Without a finite point it returns ErrNoPoints.
func PlotLoss(path string, train, eval []Point) error {
	p := newPlot("training loss")
	train, trainLost := finitePoints(train)
	eval, evalLost := finitePoints(eval)
	if len(train)+len(eval) == 0 {
		return fmt.Errorf("plot %s: %w", path, ErrNoPoints)
	}
	if lost := trainLost + evalLost; lost > 0 {
		p.Title.Text += fmt.Sprintf(" (%d non-finite points left out)", lost)
	}
	faint := palette[0]
	faint.A = 90
	lines := []struct {
		name   string
		points []Point
		colour color.NRGBA
		width  vg.Length
		dots   bool
	}{
		{"train", train, faint, 1, false},
		{"train, smoothed", smooth(train), palette[0], 2, false},
		{"eval", eval, palette[1], 1.5, true},
	}
	for _, l := range lines {
		if err := addLine(p, l.name, l.points, l.colour, l.width, l.dots); err != nil {
			return fmt.Errorf("plot %s: %w", path, err)
		}
	}
	return savePNG(p, path)
}

// PlotCurves draws several named curves into one PNG at path, to compare runs
// or arms. Points that are not finite are left out; a curve of which none is
// left stands in the legend all the same.
func PlotCurves(path, title string, curves []Curve) error {
	p := newPlot(title)
	drawn := 0
	for i, c := range curves {
		points, lost := finitePoints(c.Points)
		name := c.Name
		if lost > 0 {
			name += fmt.Sprintf(" (%d non-finite)", lost)
		}
		drawn += len(points)
		if len(points) == 0 {
			p.Legend.Add(name)
		} else if err := addLine(p, name, points, palette[i%len(palette)], 1.5, len(points) < 3); err != nil {
			return fmt.Errorf("plot %s: %w", path, err)
		}
	}
	if drawn == 0 {
		return fmt.Errorf("plot %s: %w", path, ErrNoPoints)
	}
	return savePNG(p, path)
}

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "optimizer step"
	p.Y.Label.Text = "loss"
	p.Legend.Top = true
	p.Legend.Padding = vg.Millimeter
	p.Legend.XOffs, p.Legend.YOffs = -2*vg.Millimeter, -2*vg.Millimeter
	p.Title.Padding = 2 * vg.Millimeter
	p.Add(plotter.NewGrid())
	return p
}

// addLine adds a line with its legend; a single point gets a dot, which a line
// of one point would not show.
func addLine(p *plot.Plot, name string, points []Point, colour color.Color, width vg.Length, dots bool) error {
	if len(points) == 0 {
		return nil
	}
	xys := make(plotter.XYs, len(points))
	for i, pt := range points {
		xys[i] = plotter.XY{X: float64(pt.Step), Y: pt.Value}
	}
	line, marks, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	line.Color, line.Width = colour, vg.Points(float64(width))
	marks.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(2.5), Shape: draw.CircleGlyph{}}
	p.Add(line)
	if dots || len(points) == 1 {
		p.Add(marks)
		p.Legend.Add(name, line, marks)
	} else {
		p.Legend.Add(name, line)
	}
	return nil
}

// finitePoints drops what cannot be drawn and says how much that was. What
// float32 cannot hold counts as not finite: the range of an axis of two such
// values overflows, and its ticks never end.
func finitePoints(points []Point) (kept []Point, lost int) {
	for _, p := range points {
		if math.Abs(p.Value) <= math.MaxFloat32 { // false for NaN
			kept = append(kept, p)
		}
	}
	return kept, len(points) - len(kept)
}

// smooth is an exponential moving average over about a twentieth of the
// points, corrected so that the first ones are not drawn towards zero.
func smooth(points []Point) []Point {
	keep := 1 - 2/(1+max(1, float64(len(points))/20))
	sum, weight := 0.0, 0.0
	out := make([]Point, len(points))
	for i, p := range points {
		sum, weight = keep*sum+(1-keep)*p.Value, keep*weight+(1-keep)
		out[i] = Point{p.Step, sum / math.Max(weight, math.SmallestNonzeroFloat64)}
	}
	return out
}

// widen gives a flat curve an axis: gonum's ticks need a range that is large
// enough beside the values themselves. empty is the half range around zero.
func widen(axis *plot.Axis, empty float64) {
	size := max(math.Abs(axis.Min), math.Abs(axis.Max))
	if axis.Max-axis.Min > 1e-6*size {
		return
	}
	half := max(0.05*size, empty)
	axis.Min -= half
	axis.Max += half
}

func savePNG(p *plot.Plot, path string) error {
	widen(&p.X, 1) // at least a step to either side
	widen(&p.Y, 0.1)
	canvas := vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))
	area := draw.New(canvas)
	p.Draw(draw.Crop(area, plotMargin, -plotMargin, plotMargin, -plotMargin))
	return checkpoint.WriteFile(path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	})
}
