package signaling

// The operations that every edge has, by task type, beside "histogram" (HistogramParameters). Those on a series work on the
// one that TaskRequest.Series names, in a session on the one that it shows; a box bounds the voxels, as first and last
// index along columns, rows and slices, both included, and absent all are taken.

// GaussianParameters are the parameters of the image-processing operation "gaussian": smoothing by a normal distribution, the
// same in every direction of the patient. Voxels beyond the edge count as those on it. The result is a NRRD file of float32
// values after the modality transform.
type GaussianParameters struct {
	Box     *[2][3]int `json:"box,omitempty"`
	SigmaMm float64    `json:"sigmaMm" jsonschema:"exclusiveMinimum=0,maximum=50,description=standard deviation in millimetres"`
}

// MedianParameters are the parameters of the image-processing operation "median": each voxel becomes the median of the cube
// around it, which ends at the edges. The result is as that of "gaussian".
type MedianParameters struct {
	Box    *[2][3]int `json:"box,omitempty"`
	Radius int        `json:"radius,omitempty" jsonschema:"minimum=1,maximum=3,description=half the side of the cube in voxels; 1 where absent: 3x3x3"`
}

// ReconstructionParameters are the parameters of the image-reconstruction operation "filtered-back-projection" of parallel
// beams (Kak and Slaney, Principles of Computerized Tomographic Imaging, 3.3). Its input is the line integrals as
// little-endian float32, the detector cell varying the fastest, then the projection, then the slice. The projection at an
// angle measures along x cos + y sin, where x grows with the columns of the image, y with its rows, and the axis of rotation
// is in the middle of detector and image. The result is a NRRD file of float32, values per millimetre, 0 beyond the circle that
// all projections see.
type ReconstructionParameters struct {
	Detectors   int `json:"detectors" jsonschema:"minimum=2,maximum=8192,description=cells of the detector"`
	Projections int `json:"projections" jsonschema:"minimum=1,maximum=8192"`
	Slices      int `json:"slices,omitempty" jsonschema:"minimum=1,maximum=4096,description=1 where absent"`
	// AnglesDegrees are those of the projections; absent, they divide 180 degrees evenly from 0 on.
	AnglesDegrees []float64 `json:"anglesDegrees,omitempty" jsonschema:"maxItems=8192"`
	DetectorMm    float64   `json:"detectorMm" jsonschema:"exclusiveMinimum=0,maximum=1000,description=distance of detector cells"`
	// Size is the number of columns and of rows of the image, Detectors where absent; PixelMm their distance, DetectorMm where
	// absent; SliceMm that of slices.
	Size    int     `json:"size,omitempty" jsonschema:"minimum=1,maximum=4096"`
	PixelMm float64 `json:"pixelMm,omitempty" jsonschema:"minimum=0,maximum=1000"`
	SliceMm float64 `json:"sliceMm,omitempty" jsonschema:"minimum=0,maximum=1000,description=1 where absent"`
	// Filter is by what the ramp is tapered at high frequencies.
	Filter ReconstructionFilter `json:"filter,omitempty" jsonschema:"description=ram-lak where absent"`
}

// ReconstructionFilter is a window on the ramp filter.
type ReconstructionFilter string

// The filters, from the sharpest to the smoothest.
const (
	FilterRamLak     ReconstructionFilter = "ram-lak"
	FilterSheppLogan ReconstructionFilter = "shepp-logan"
	FilterHann       ReconstructionFilter = "hann"
)

// StatisticsParameters are the parameters of the data-computation operation "statistics".
type StatisticsParameters struct {
	Box *[2][3]int `json:"box,omitempty"`
	// Percentiles asked for, 0 to 100.
	Percentiles []float64 `json:"percentiles,omitempty" jsonschema:"maxItems=64"`
	// Above asks for the volume of the voxels with a larger value.
	Above *float64 `json:"above,omitempty"`
}

// Statistics is the result of the operation "statistics", of values after the modality transform. Voxels that are no number
// are left out.
type Statistics struct {
	Voxels      int64     `json:"voxels"`
	Min         float64   `json:"min"`
	Max         float64   `json:"max"`
	Mean        float64   `json:"mean"`
	StdDev      float64   `json:"stdDev" jsonschema:"description=population standard deviation"`
	Percentiles []float64 `json:"percentiles" jsonschema:"description=exact values in the order asked for (nearest rank)"`
	VoxelMm3    float64   `json:"voxelMm3" jsonschema:"description=volume of one voxel"`
	Ml          float64   `json:"ml" jsonschema:"description=volume of all that were counted in millilitres"`
	AboveVoxels int64     `json:"aboveVoxels"`
	AboveMl     float64   `json:"aboveMl" jsonschema:"description=volume above the threshold in millilitres; 0 without one"`
	RunMs       float64   `json:"runMs"`
}

// MixtureParameters are the parameters of the training operation "tissue-mixture": a mixture of normal distributions is fitted
// to the values of the voxels by expectation maximisation (Dempster, Laird and Rubin 1977).
type MixtureParameters struct {
	Box        *[2][3]int `json:"box,omitempty"`
	Components int        `json:"components,omitempty" jsonschema:"minimum=1,maximum=8,description=3 where absent"`
	Iterations int        `json:"iterations,omitempty" jsonschema:"minimum=1,maximum=1000,description=most of them; 200 where absent"`
	// Tolerance ends the training when an iteration raises the mean log likelihood of a voxel by less; 1e-7 where absent.
	Tolerance float64 `json:"tolerance,omitempty" jsonschema:"minimum=0"`
	// Seed chooses where the means begin; the same seed gives the same model.
	Seed uint64 `json:"seed,omitempty"`
}

// Mixture is the result of the operation "tissue-mixture".
type Mixture struct {
	Voxels int64 `json:"voxels"`
	// Components are in the order of their means.
	Components []MixtureComponent `json:"components"`
	// LogLikelihood is the mean natural logarithm of the density at a voxel, before each iteration and at the end.
	LogLikelihood []float64 `json:"logLikelihood"`
	Iterations    int       `json:"iterations"`
	Converged     bool      `json:"converged"`
	RunMs         float64   `json:"runMs"`
}

// MixtureComponent is one of the distributions of a mixture.
type MixtureComponent struct {
	Weight float64 `json:"weight" jsonschema:"description=share of the voxels; all add up to 1"`
	Mean   float64 `json:"mean"`
	StdDev float64 `json:"stdDev"`
}

// FormatNRRD is the media type of results that are volumes.
const FormatNRRD = "application/x-nrrd"
