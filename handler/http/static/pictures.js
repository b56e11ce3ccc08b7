// Pictures in the browser: made upright and small enough, drawn with their faces, cut to chips.
import { s } from "./common.js";
import { isOffered, upload } from "./uploads.js";

// A synchronous Lambda payload holds 6 MB and base64 makes 3 bytes 4: a request of two pictures
// of this size stays under 4.5 MB as text, with room for what a gateway wraps around it.
export const PICTURE_BUDGET = 1_600_000;
const SEND_AS_IS_SIDE = 2048;
const REDUCED_SIDE = 1600;
const QUALITIES = [0.92, 0.85, 0.75];
const KNOWN_TYPES = new Set(["image/jpeg", "image/png", "image/webp"]);

/**
 * A file made ready to send: {name, bitmap, width, height, bytes, image, reduced, uploaded}.
 *
 * `image` is what a request says: base64, or a reference to the upload bucket for a picture that is
 * too large for a request, where the function has such a bucket.
 *
 * The bitmap is upright (EXIF orientation applied) and is the picture that is sent, so that the
 * answer's coordinates fit it. What the browser cannot read is sent as it is, with a null bitmap:
 * the function then says in its own words what is wrong with it.
 */
export async function preparePicture(file, name = file.name) {
  let bitmap = null;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    // Maybe the function can.
  }
  const side = bitmap ? Math.max(bitmap.width, bitmap.height) : 0;
  const fits = file.size <= PICTURE_BUDGET && side <= SEND_AS_IS_SIDE;
  if (file.size > PICTURE_BUDGET && isOffered()) {
    const image = await upload(file);
    if (image) return { ...describe(name, bitmap, file), image, uploaded: true };
  }
  if (!bitmap && file.size > PICTURE_BUDGET) throw new Error(`The browser cannot read ${name}.`);
  if (!bitmap || (fits && KNOWN_TYPES.has(file.type))) {
    return { ...describe(name, bitmap, file), image: await toBase64(file) };
  }
  try {
    const blob = await reduce(bitmap);
    const small = await createImageBitmap(blob);
    return { ...describe(name, small, blob), image: await toBase64(blob), reduced: true };
  } finally {
    bitmap.close();
  }
}

function describe(name, bitmap, blob) {
  return {
    name,
    bitmap,
    width: bitmap?.width ?? 0,
    height: bitmap?.height ?? 0,
    bytes: blob.size,
    reduced: false,
    uploaded: false,
  };
}

async function reduce(bitmap) {
  for (let side = REDUCED_SIDE; side >= 400; side *= 0.75) {
    const canvas = drawScaled(bitmap, Math.min(1, side / Math.max(bitmap.width, bitmap.height)));
    for (const quality of QUALITIES) {
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
      if (blob && blob.size <= PICTURE_BUDGET) return blob;
    }
  }
  throw new Error("The picture cannot be made small enough to send.");
}

function drawScaled(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  // JPEG has no transparency; white is what a viewer shows behind it.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function toBase64(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Show a picture on a slot's canvas; none, or one the browser cannot read, empties it. */
export function drawPicture(canvas, picture) {
  canvas.width = picture?.width ?? 0;
  canvas.height = picture?.height ?? 0;
  if (picture?.bitmap) canvas.getContext("2d").drawImage(picture.bitmap, 0, 0);
}

/** Boxes and landmarks over a picture; the faces in `chosen` stand out. */
export function drawFaces(svg, width, height, faces, chosen) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  // Points stay visible on a small face in a large picture.
  const least = Math.max(width, height) * 0.0055;
  svg.replaceChildren(...faces.map((face, index) => drawFace(face, chosen.includes(index), least)));
}

/** Names over the faces of a picture of `width` pixels, as SVG text below each box. */
export function nameTags(width, faces, names) {
  const size = width / 32;
  return faces.map(({ box }, index) => s("text", {
    class: "name", x: box.left + box.width / 2, y: box.top + box.height + size * 1.1, "font-size": size,
  }, names[index]));
}

function drawFace(face, standsOut, least) {
  const { left, top, width, height } = face.box;
  const frame = { x: left, y: top, width, height, rx: width * 0.06 };
  const radius = Math.max(width * 0.021, least);
  const points = (face.landmarks ?? []).map(([x, y]) => [
    s("circle", { class: "halo", cx: x, cy: y, r: radius * 1.55 }),
    s("circle", { class: "point", cx: x, cy: y, r: radius }),
  ]);
  return s(
    "g",
    { class: standsOut ? "face chosen" : "face" },
    s("rect", { class: "halo", ...frame }),
    s("rect", { class: "box", ...frame }),
    ...points.flat(),
  );
}

// Where the five landmarks come to lie on a chip of 112 pixels (the ArcFace template); the same
// numbers as in align, which a test compares.
export const TEMPLATE_SIZE = 112;
export const TEMPLATE = [
  [38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041],
];

/**
 * The least-squares similarity that takes `from` to `to` (Umeyama 1991, in the plane, without
 * reflection), as the six numbers of CanvasRenderingContext2D.setTransform.
 */
export function similarity(from, to) {
  const [fromX, fromY] = centre(from);
  const [toX, toY] = centre(to);
  let along = 0;
  let across = 0;
  let spread = 0;
  from.forEach(([x, y], index) => {
    const [u, v] = [x - fromX, y - fromY];
    const [targetU, targetV] = [to[index][0] - toX, to[index][1] - toY];
    along += u * targetU + v * targetV;
    across += u * targetV - v * targetU;
    spread += u * u + v * v;
  });
  const [cosine, sine] = [along / spread, across / spread];
  return [
    cosine, sine, -sine, cosine,
    toX - cosine * fromX + sine * fromY,
    toY - sine * fromX - cosine * fromY,
  ];
}

function centre(points) {
  const sum = points.reduce(([x, y], [u, v]) => [x + u, y + v], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

/**
 * The margin box that box alignment cuts, as the transform that maps it to a square. The cut begins
 * one pixel further in, as it reads a box that counts from 1 as one that counts from 0.
 */
export function boxTransform(box, margin, width, height, size) {
  const left = Math.max(0, box.left + 1 - margin / 2);
  const top = Math.max(0, box.top + 1 - margin / 2);
  const right = Math.min(width, box.left + 1 + box.width + margin / 2);
  const bottom = Math.min(height, box.top + 1 + box.height + margin / 2);
  const [scaleX, scaleY] = [size / (right - left), size / (bottom - top)];
  return [scaleX, 0, 0, scaleY, -left * scaleX, -top * scaleY];
}

/** What the model is shown of a face, redrawn here at `size` pixels for the screen. */
export function drawChip(canvas, picture, face, alignment, size) {
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const [template, side] = alignment?.template ? [alignment.template, alignment.size] : [TEMPLATE, TEMPLATE_SIZE];
  const scale = size / side;
  if (alignment?.kind === "box") {
    context.setTransform(...boxTransform(face.box, alignment.margin, picture.width, picture.height, size));
  } else if (face.landmarks) {
    // Both count pixel centres from 0; a canvas has them at a half.
    const points = face.landmarks.map(([x, y]) => [x + 0.5, y + 0.5]);
    const goals = template.map(([x, y]) => [(x + 0.5) * scale, (y + 0.5) * scale]);
    context.setTransform(...similarity(points, goals));
  } else {
    // A crop on which no landmarks were found is resized as it is.
    context.setTransform(size / picture.width, 0, 0, size / picture.height, 0, 0);
  }
  context.drawImage(picture.bitmap, 0, 0);
}
