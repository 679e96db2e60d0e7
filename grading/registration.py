"""Brings the gradebook up to date with the source of an assignment."""

from typing import Any

from grading.assignment import CourseError


def register(course: Any, gradebook: Any, name: str) -> None:
    """Save an assignment's cells in the gradebook, as ``nbgrader generate_assignment`` does.

    Nothing is released. Where there is no source notebook, the gradebook is left as it
    is.

    Raises
    ------
    CourseError
        Where the source is broken, or has other cells than those that submissions in the
        gradebook belong to.
    """
    import nbformat
    from nbgrader import preprocessors as steps
    from nbgrader.api import MissingEntry
    from nbgrader.nbgraderformat import ValidationError

    from grading.origin import Origin

    path = course.folder("source", ".", name) / f"{name}.ipynb"
    Origin(config=course.config).refresh(course.root, name)
    if not path.is_file():
        return
    gradebook.update_or_create_assignment(name)
    notebook = nbformat.read(path, as_version=4)
    about = {"notebook": name, "assignment": name, "db_url": course.coursedir.db_url}
    resources: dict[str, Any] = {"nbgrader": about}
    try:
        for step in (
            steps.LockCells,
            steps.ClearSolutions,
            steps.ClearOutput,
            steps.CheckCellMetadata,
            steps.ComputeChecksums,
        ):
            notebook, resources = step(config=course.config).preprocess(notebook, resources)
    except (ValidationError, RuntimeError) as error:
        raise CourseError(f"{path}: {error}") from error
    cells = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }
    points = {
        cell.metadata.nbgrader.grade_id: float(cell.metadata.nbgrader.points)
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    try:
        entry = gradebook.find_notebook(name, name)
        same = {cell.name: cell.source for cell in entry.source_cells} == cells
        if same and {cell.name: cell.max_score for cell in entry.grade_cells} == points:
            return
    except MissingEntry:
        pass
    try:
        steps.SaveCells(config=course.config).preprocess(notebook, resources)
    except RuntimeError as error:
        raise CourseError(f"{path}: {error}") from error
    gradebook.db.expire_all()
