// What the figures use of d3 and morphdom; the bundler drops the rest.
export { scaleLinear, scaleLog } from "d3-scale";
export { line } from "d3-shape";
export { default as morphdom } from "morphdom";
