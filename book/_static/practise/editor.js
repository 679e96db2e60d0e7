// An editor for Python: CodeMirror 6 in the book's colours.
import * as cm from "./codemirror.js";

const fromElsewhere = cm.Annotation.define();
const { tags } = cm;

const colours = cm.HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.lineComment, tags.comment], color: "var(--code-comment)" },
  { tag: tags.function(tags.definition(tags.variableName)), color: "var(--code-name)" },
  { tag: tags.definition(tags.className), color: "var(--code-name)" },
  { tag: tags.meta, color: "var(--code-name)" },
]);

export class Editor {
  // label: what a screen reader calls it; described: the id of its help; changed(text) is called
  // for every change by the reader; run() for Shift+Enter.
  constructor(parent, { text, label, described, python = true, changed, run }) {
    const narrow = window.matchMedia("(max-width: 40rem)").matches;
    this.view = new cm.EditorView({
      parent,
      state: cm.EditorState.create({
        doc: text,
        extensions: [
          cm.lineNumbers(),
          cm.history(),
          cm.drawSelection(),
          cm.bracketMatching(),
          cm.closeBrackets(),
          cm.indentOnInput(),
          cm.indentUnit.of("    "),
          cm.EditorState.tabSize.of(4),
          python ? [cm.python(), cm.syntaxHighlighting(colours)] : [],
          narrow || !python ? cm.EditorView.lineWrapping : [],
          cm.keymap.of([
            { key: "Shift-Enter", run: () => (run(), true) },
            { key: "Mod-Enter", run: () => (run(), true) },
            ...cm.closeBracketsKeymap,
            ...cm.defaultKeymap,
            ...cm.historyKeymap,
            cm.indentWithTab,
          ]),
          cm.EditorView.contentAttributes.of({
            tabindex: "0",
            "aria-label": label,
            "aria-describedby": described,
          }),
          cm.EditorView.updateListener.of((update) => {
            const outside = update.transactions.some((one) => one.annotation(fromElsewhere));
            if (update.docChanged && !outside) changed(this.text);
          }),
        ],
      }),
    });
  }

  get text() {
    return this.view.state.doc.toString();
  }

  // Puts a text in the place of what stands there; the editor's own undo takes it back.
  set text(text) {
    if (text === this.text) return;
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: text },
      annotations: fromElsewhere.of(true),
    });
  }

  focus() {
    this.view.focus();
  }
}
