import { el } from "./base.js";
export default { render({ el: root }) { root.append(el("p", null, "x")); } };
