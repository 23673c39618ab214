#!/usr/bin/python3
"""Writes pydicom.json: what pydicom reads from series whose parts are not in the expected.json of the test data.

usage: fixtures.py STUDIES > pydicom.json

Each part has the values after the modality transform of its slices in spatial order, those of one place in the order
of their time points: the sha256 of them as float32 little endian, and where the first and the last slice lie.
"""
import glob, hashlib, json, os, sys, warnings
import numpy, pydicom

warnings.simplefilter("ignore")
studies = sys.argv[1]


def frames(path):
    """The frames of a file: position, key, values."""
    d = pydicom.dcmread(path, force=True)
    px = d.pixel_array
    n = int(d.get("NumberOfFrames", 1) or 1)
    shared = d.SharedFunctionalGroupsSequence[0] if "SharedFunctionalGroupsSequence" in d else None
    own = d.get("PerFrameFunctionalGroupsSequence")
    out = []
    for f in range(n):
        def find(keyword, group):
            for g in ([own[f]] if own else []) + ([shared] if shared else []):
                if group in g and keyword in g[group].value[0]:
                    return g[group].value[0].get(keyword)
            return d.get(keyword)
        slope, intercept = find("RescaleSlope", "PixelValueTransformationSequence"), find("RescaleIntercept", "PixelValueTransformationSequence")
        if d.Modality == "RTDOSE":
            slope = d.DoseGridScaling
        slope, intercept = float(1 if slope is None else slope), float(0 if intercept is None else intercept)
        p = [float(v) for v in find("ImagePositionPatient", "PlanePositionSequence")]
        o = [float(v) for v in find("ImageOrientationPatient", "PlaneOrientationSequence")]
        sp = [float(v) for v in find("PixelSpacing", "PixelMeasuresSequence")]
        if "GridFrameOffsetVector" in d:
            p[2] += float(d.GridFrameOffsetVector[f])
        a = px if n == 1 else px[f]
        out.append(dict(d=d, p=p, o=o, sp=sp, v=a.astype(numpy.float64) * slope + intercept))
    return out


def part(fs, time=lambda f: 0):
    normal = numpy.cross(fs[0]["o"][:3], fs[0]["o"][3:])
    fs = sorted(fs, key=lambda f: (numpy.dot(f["p"], normal), time(f)))
    h = hashlib.sha256()
    for f in fs:
        h.update(f["v"].astype("<f4").tobytes())
    v = numpy.stack([f["v"] for f in fs])
    return dict(slices=len(fs), rows=v.shape[1], columns=v.shape[2], spacing=fs[0]["sp"][::-1], first=fs[0]["p"], last=fs[-1]["p"],
                min=v.min(), max=v.max(), sha256=h.hexdigest())


def load(*paths):
    return [f for pattern in paths for path in sorted(glob.glob(os.path.join(studies, pattern))) for f in frames(path)]


acq = load("derived/duplicate-positions-2acq/*")
brain = load("edge-pydicom/dicomdir/77654033/CT2/*")
lung = [f for f in load("ct-chest-contrast/*") if f["d"].InstanceNumber in (40, 41)]
json.dump({
    "derived/4d-4phases": [part(load("derived/4d-4phases/*"), lambda f: f["d"].TemporalPositionIdentifier)],
    "derived/duplicate-positions-2acq": [part([f for f in acq if f["d"].AcquisitionNumber == n]) for n in (1, 2)],
    "derived/enhanced-ct-multiframe": [part(load("derived/enhanced-ct-multiframe/*"))],
    # The slices that the HTJ2K files were made of, which pydicom cannot read.
    "derived/htj2k-lossless-4.201": [part(lung)],
    "edge-pydicom/eCT_Supplemental.dcm": [part(load("edge-pydicom/eCT_Supplemental.dcm"))],
    "edge-pydicom/rtdose.dcm": [part(load("edge-pydicom/rtdose.dcm"))],
    "edge-pydicom/dicomdir/98892001/CT5N": [part(load("edge-pydicom/dicomdir/98892001/CT5N/*"))],
    "edge-pydicom/dicomdir/77654033/CT2": [None, part([f for f in brain if f["p"][2] > 0])],
}, sys.stdout, indent=1)
