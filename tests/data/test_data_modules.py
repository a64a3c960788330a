"""The data sets: what every one offers, and where each reads from."""

import json
import re

import pytest
import torch

from hqlm.data import DATA_MODULES, FileData, HubData, ReviewsData
from hqlm.errors import ConfigError, DataError, DocumentError
from tests.registries import shipped

ROWS = [("good", "pos"), ("bad", "neg"), ('"fine" quoted', "pos"), ("poor", "neg")] * 5


def read_all(data):
    data.setup("fit")
    return data.class_names


def write_tsv(path, rows=ROWS, header=("text", "label")):
    path.write_text("\n".join("\t".join(row) for row in (header, *rows)) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    write_tsv(tmp_path / "train.tsv", [(f"{text} {n}", label) for n, (text, label) in enumerate(ROWS)])
    write_tsv(tmp_path / "test.tsv", ROWS[:4])
    return tmp_path


@pytest.fixture
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    for split, count in (("train", 20), ("validation", 4), ("test", 4)):
        rows = [{"text": f"{text} {split} {n}", "label": label} for n, (text, label) in enumerate(ROWS[:count])]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(params=["ReviewsData", "FileData", "HubData"])
def make(request, folder, hub, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
    sources = {
        "ReviewsData": lambda **options: ReviewsData(**options),
        "FileData": lambda **options: FileData(str(folder), **options),
        "HubData": lambda **options: HubData(str(hub), **options),
    }
    assert set(sources) == shipped(DATA_MODULES)
    return sources[request.param]


class TestEveryDataSet:
    def test_batches_are_index_texts_and_labels(self, make):
        data = make(batch_size=3)
        data.setup("fit")
        index, texts, labels = next(iter(data.train_dataloader()))
        assert index.shape == labels.shape == (3,)
        assert texts == [data.texts("train")[place] for place in index]
        assert labels.tolist() == [data.labels("train")[place] for place in index]

    def test_an_epoch_has_every_training_row_once_in_another_order_each_time(self, make):
        data = make(batch_size=3)
        data.setup("fit")
        loader = data.train_dataloader()
        orders = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            orders.append(torch.cat([index for index, _, _ in loader]).tolist())
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(len(data.texts("train"))))
        assert orders[0] != orders[1]

    def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(self, make):
        def order(seed):
            torch.manual_seed(seed)
            data = make()
            data.setup("fit")
            loader = data.train_dataloader()
            loader.sampler.set_epoch(3)
            return torch.cat([index for index, _, _ in loader]).tolist()

        assert order(0) == order(0)
        assert order(0) != order(1)

    def test_no_validation_or_test_text_is_trained_on(self, make):
        data = make()
        data.setup("fit")
        data.setup("test")
        train, val = set(data.texts("train")), set(data.texts("val"))
        assert train
        assert val
        assert not train & val

    def test_evaluation_is_in_order(self, make):
        data = make(batch_size=3)
        data.setup("test")
        index = torch.cat([index for index, _, _ in data.test_dataloader()])
        assert index.tolist() == list(range(len(data.texts("test"))))

    def test_prediction_is_of_the_test_rows_and_needs_no_labels(self, make):
        data = make()
        data.use_classes(["a", "b"])
        data.setup("predict")
        data.setup("test")
        assert data.texts("predict") == data.texts("test")
        assert all((labels == -1).all() for _, _, labels in data.predict_dataloader())

    def test_few_shot_draws_are_balanced(self, make):
        data = make(samples_per_class=3)
        data.setup("fit")
        labels = torch.cat([labels for _, _, labels in data.train_dataloader()])
        assert labels.bincount().tolist() == [3, 3]

    def test_limits(self, make):
        data = make(limit_train=6, limit_val=2, limit_test=3)
        data.setup("fit")
        data.setup("test")
        assert [len(data.texts(split)) for split in ("train", "val", "test")] == [6, 2, 3]

    def test_folds_part_the_training_rows_and_are_stratified(self, make):
        whole = make()
        whole.setup("fit")
        tested, counts = [], []
        for fold in range(4):
            data = make(folds=4, fold=fold)
            data.setup("fit")
            data.setup("test")
            labels = torch.cat([labels for _, _, labels in data.test_dataloader()])
            counts.append((len(labels), int(labels.sum())))
            assert not set(data.texts("test")) & {*data.texts("train"), *data.texts("val")}
            tested += data.texts("test")
        assert all(max(own) - min(own) <= 1 for own in zip(*counts, strict=True))  # rows, and those of one class
        assert len(tested) == len(set(tested))
        assert set(whole.texts("train")) <= set(tested)

    def test_folds_go_by_seed(self, make):
        def test_rows(**options):
            data = make(folds=4, fold=1, **options)
            data.setup("test")
            return data.texts("test")

        assert test_rows() == test_rows()
        assert test_rows() != test_rows(seed=1)

    def test_draws_are_nested_within_a_fold(self, make):
        def train_rows(count):
            data = make(folds=2, fold=1, samples_per_class=count)
            data.setup("fit")
            return set(data.texts("train"))

        assert train_rows(2) < train_rows(4)

    @pytest.mark.parametrize("options", [{"folds": 1}, {"folds": 3, "fold": 3}, {"folds": 3, "fold": -1}, {"fold": 1}])
    def test_folds_that_cannot_be(self, make, options):
        with pytest.raises(ConfigError, match=r"data\.fold"):
            make(**options)

    def test_more_folds_than_rows_of_a_class_are_refused(self, make):
        data = make(folds=5000)
        with pytest.raises(DataError, match=r"Set data\.folds to"):
            data.setup("fit")

    def test_a_model_may_bring_its_own_order_of_classes(self, make):
        data = make()
        data.setup("test")
        names = data.class_names
        first = torch.cat([labels for _, _, labels in data.test_dataloader()])
        data.use_classes(names[::-1])
        second = torch.cat([labels for _, _, labels in data.test_dataloader()])
        assert torch.equal(first, 1 - second)

    @pytest.mark.parametrize("option", ["batch_size", "samples_per_class", "limit_train", "limit_val", "limit_test"])
    def test_counts_below_one_are_refused(self, make, option):
        with pytest.raises(ConfigError, match=f"data.{option}"):
            make(**{option: 0})


def test_the_built_in_reviews_share_no_sentence_between_splits():
    data = ReviewsData()
    data.setup("fit")
    data.setup("test")
    splits = [set(map(str.lower, data.texts(split))) for split in ("train", "val", "test")]
    assert [len(split) for split in splits] == [3000, 500, 500]
    assert len(set.union(*splits)) == 4000


def test_every_split_of_the_built_in_reviews_is_nearly_balanced():
    data = ReviewsData()
    for stage, loader in (("fit", "train"), ("fit", "val"), ("test", "test")):
        data.setup(stage)
        labels = torch.cat([labels for _, _, labels in getattr(data, f"{loader}_dataloader")()])
        assert abs(labels.float().mean() - 0.5) < 0.05


class TestFileData:
    def test_tsv_is_not_quoted(self, folder):
        data = FileData(str(folder))
        data.setup("test")
        assert data.texts("test")[2] == '"fine" quoted'

    def test_csv_is_quoted_and_jsonl_read(self, tmp_path):
        (tmp_path / "a.csv").write_text('text,label\n"good, really",1\nbad,0\n')
        (tmp_path / "b.jsonl").write_text('{"text": "good, really", "label": 1}\n{"text": "bad", "label": 0}\n')
        for name in ("a.csv", "b.jsonl"):
            data = FileData(str(tmp_path), train=name, test=name)
            data.setup("test")
            assert data.texts("test") == ["good, really", "bad"]
            assert data.class_names == ("0", "1")

    def test_the_mark_that_spreadsheets_write_first_is_no_part_of_a_column(self, tmp_path):
        (tmp_path / "train.csv").write_bytes(b"\xef\xbb\xbftext,label\ngood,1\nbad,0\n")
        assert read_all(FileData(str(tmp_path), val="train.csv")) == ("0", "1")

    def test_columns_are_named(self, tmp_path):
        write_tsv(tmp_path / "test.tsv", [("0", "good")], header=("y", "x"))
        data = FileData(str(tmp_path), text="x", label="y")
        data.use_classes(["0"])
        data.setup("test")
        assert data.texts("test") == ["good"]

    def test_the_folder_is_found_below_the_data_folder(self, folder, monkeypatch):
        monkeypatch.setenv("HQLM_DATA", str(folder.parent))
        data = FileData(folder.name)
        data.setup("test")
        assert len(data.texts("test")) == 4

    def test_dev_is_taken_for_validation(self, folder):
        write_tsv(folder / "dev.tsv", ROWS[:2])
        (folder / "dev.csv").write_text("of another kind than the training rows")
        data = FileData(str(folder), train="train.tsv")
        data.setup("fit")
        assert len(data.texts("val")) == 2
        assert len(data.texts("train")) == len(ROWS)

    def test_every_draw_goes_by_the_seed_of_the_data(self, folder):
        def drawn(split, stage, **options):
            data = FileData(str(folder), test="train.tsv", val="train.tsv", **options)
            data.setup(stage)
            return data.texts(split)

        for split, stage, options in (
            ("train", "fit", {"samples_per_class": 4}),
            ("train", "fit", {"limit_train": 8}),
            ("val", "fit", {"limit_val": 8}),
            ("test", "test", {"limit_test": 8}),
            ("predict", "predict", {"limit_test": 8}),
        ):
            one, same, other = (drawn(split, stage, seed=seed, **options) for seed in (3, 3, 4))
            assert len(one) == 8
            assert one == same != other

    def test_rows_are_held_out_by_the_seed_of_the_data(self, folder):
        def held_out(seed):
            data = FileData(str(folder), val_fraction=0.4, seed=seed)
            data.setup("fit")
            return data.texts("val")

        assert held_out(3) == held_out(3) != held_out(4)

    def test_texts_to_predict_lie_anywhere_and_may_be_long(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "new.tsv").write_text("text\n" + "long " * 60_000 + "\n")
        data = FileData("no/such/folder", predict="new.tsv")
        data.setup("predict")
        assert len(data.texts("predict")[0]) > 2**17

    def test_a_missing_validation_file_is_cut_off_and_said(self, folder, caplog):
        data = FileData(str(folder), val_fraction=0.2)
        with caplog.at_level("INFO"):
            data.setup("fit")
        assert len(data.texts("val")) == 4
        assert "4 of 20 training rows are held out" in caplog.text

    def test_classes_of_a_test_without_training_file_come_from_the_model(self, folder):
        (folder / "train.tsv").unlink()
        data = FileData(str(folder))
        data.setup("test")
        data.use_classes(["neg", "pos"])
        labels = torch.cat([labels for _, _, labels in data.test_dataloader()])
        assert labels.tolist() == [1, 0, 1, 0]

    def test_more_than_two_classes_with_names(self, tmp_path):
        write_tsv(tmp_path / "train.tsv", [(f"text {n}", f"class {n % 6}") for n in range(60)])
        data = FileData(str(tmp_path))
        data.setup("fit")
        assert data.class_names == tuple(f"class {n}" for n in range(6))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"folder": "no/such/folder"}, "there is no folder"),
            ({"val": "missing.tsv"}, r"no file .*missing\.tsv \(in its folder: test.tsv, train.tsv\)"),
            ({"text": "review"}, r"no column 'review'\. Known: label, text\. Set data\.text"),
            ({"label": "class"}, r"train\.tsv has no column 'class'\. Known: label, text\. Set data\.label"),
            ({"train": "train.xlsx"}, "no file"),
        ],
    )
    def test_mistakes_are_named(self, folder, options, message):
        data = FileData(**{"folder": str(folder), **options})
        with pytest.raises(DataError, match=message):
            data.setup("fit")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "is empty"),
            ("text\tlabel\n", "has no rows"),
            ("text\tlabel\ngood\t1\n\t0\n", "without text: row 3"),
            ("text\tlabel\ngood\t1\nbad\t\n", "without a label: row 3"),
            ("text\tlabel\ngood\t1\nbad\n", "without a label: row 3"),
            ("text\tlabel\ngood\t1\nbad\t0\tmore\n", "row 3: 3 fields"),
            ("text\tlabel\ngood\t1\nfine\t1\n", "two classes are needed"),
            ("text\ttext\tlabel\ngood\tbad\t1\n", "names a column twice"),
        ],
    )
    def test_broken_files_are_named_with_the_row(self, tmp_path, content, message):
        for name in ("train.tsv", "dev.tsv"):
            (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=message):
            read_all(FileData(str(tmp_path)))

    @pytest.mark.parametrize("options", [{"limit_train": 1}, {"val_fraction": 0.5}])
    def test_rows_of_one_class_that_are_left_to_train_on_are_refused(self, tmp_path, options):
        (tmp_path / "train.tsv").write_text("text\tlabel\ngood\t1\nbad\t0\n")
        with pytest.raises(DataError, match=r"of 2 rows of .*train\.tsv 1 are left to train on, all of one class"):
            FileData(str(tmp_path), **options).setup("fit")

    @pytest.mark.parametrize("kind", [".tsv", ".csv", ".jsonl"])
    def test_files_of_any_one_kind_are_found(self, tmp_path, kind):
        rows = [("good", "1"), ("bad", "0")]
        lines = {
            ".tsv": ["text\tlabel", *("\t".join(row) for row in rows)],
            ".csv": ["text,label", *(",".join(row) for row in rows)],
            ".jsonl": [json.dumps(dict(zip(("text", "label"), row, strict=True))) for row in rows],
        }
        for split in ("train", "validation", "test"):
            (tmp_path / f"{split}{kind}").write_text("\n".join(lines[kind]))
        data = FileData(str(tmp_path))
        for split, stage in (("train", "fit"), ("val", "fit"), ("test", "test"), ("predict", "predict")):
            data.setup(stage)
            assert data.texts(split) == ["good", "bad"]
        (tmp_path / f"train{'.csv' if kind == '.tsv' else '.tsv'}").write_text("")
        with pytest.raises(DataError, match=r"has train\..* and train\..*: which one\?"):
            FileData(str(tmp_path)).setup("fit")

    def test_broken_rows_are_named(self, tmp_path):
        (tmp_path / "e.jsonl").write_text('{"text": "x", "label": 1}\n{"text": "", "label": 0}\n')
        (tmp_path / "c.parquet").write_bytes(b"")
        for name, message in (
            ("e.jsonl", "without text: row 2"),
            ("c.parquet", "files end in"),
        ):
            with pytest.raises(DataError, match=message):
                FileData(str(tmp_path), train=name, test=name).setup("test")

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("rubbish", "row 2 is not valid JSON"),
            ("", "row 2 is not valid JSON"),
            ('{"text": ' + "[" * 100_000, "row 2 is nested too deeply"),
            ('{"text": "x", "label": ' + "9" * 5_000 + "}", "row 2 contains an integer of more than 4,300 digits"),
            (
                r'{"text": "ok \ud83d x", "label": 1}',
                r"row 2 contains half of a surrogate pair in the text 'ok \\ud83d x'",
            ),
            (r'{"text": "x", "label": "\udc00"}', "row 2 contains half of a surrogate pair"),
            ("[1, 2]", "row 2 is not a JSON object"),
            ('{"text": {"en": "x"}, "label": 1}', r"row 2: the text in 'text' is an object \(\{'en': 'x'\}\)"),
            ('{"text": ["x", "y"], "label": 1}', "row 2: the text in 'text' is a list"),
            ('{"text": 5, "label": 1}', r"row 2: the text in 'text' is a number \(5\)\. A text must be a string"),
            ('{"text": false, "label": 1}', "row 2: the text in 'text' is true or false"),
            ('{"text": "x", "label": ["a", "b"]}', r"row 2: the label in 'label' is a list \(\['a', 'b'\]\)"),
            ('{"text": "x", "label": {"a": 1}}', "row 2: the label in 'label' is an object"),
            ('{"text": "x", "label": NaN}', "without a label: row 2"),
            ('{"text": null, "label": 1}', "without text: row 2"),
        ],
        ids=lambda value: value[:40],
    )
    def test_a_row_of_json_is_refused_by_its_number(self, tmp_path, row, message):
        (tmp_path / "test.jsonl").write_text('{"text": "x", "label": 1}\n' + row + "\n")
        with pytest.raises((DataError, DocumentError), match=message) as caught:
            FileData(str(tmp_path)).setup("test")
        assert len(str(caught.value)) < 600

    def test_labels_of_json_may_be_words_and_numbers(self, tmp_path):
        labels = ["one", 2, 3.5, True]
        lines = [json.dumps({"text": f"text {label}", "label": label, "more": [label]}) for label in labels]
        (tmp_path / "test.jsonl").write_text("\n".join(lines))
        assert FileData(str(tmp_path)).read("test").labels == ("one", "2", "3.5", "True")

    @pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (b"\xff", "line 3 has the byte 0xff"),
            (b"\xed\xa0\xbd", "line 3 has the byte 0xed"),  # half of a surrogate pair
            (b"\xc0\xaf", "line 3 has the byte 0xc0"),  # a slash in two bytes
            (b"\0", "line 3 has a zero byte"),
        ],
        ids=["latin 1", "surrogate", "overlong", "zero"],
    )
    def test_what_is_not_utf_8_is_refused_by_its_line(self, tmp_path, kind, bad, message):
        rows = {
            "tsv": [b"text\tlabel", b"good\t1", b"b%sd\t0"],
            "csv": [b"text,label", b"good,1", b"b%sd,0"],
            "jsonl": [
                b'{"text": "good", "label": 1}',
                b'{"text": "fine", "label": 1}',
                b'{"text": "b%sd", "label": 0}',
            ],
        }
        path = tmp_path / f"test.{kind}"
        path.write_bytes(b"\n".join(rows[kind]).replace(b"%s", bad))
        with pytest.raises(DataError, match=f"{re.escape(str(path))} is not UTF-8 text: {message}"):
            FileData(str(tmp_path)).setup("test")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_other_encodings_are_refused(self, tmp_path, encoding):
        (tmp_path / "test.tsv").write_bytes("text\tlabel\ngood\t1\n".encode(encoding))
        with pytest.raises(DataError, match=r"is not UTF-8 text: line 1 has .* Save the file in UTF-8"):
            FileData(str(tmp_path)).setup("test")

    def test_lines_are_counted_after_a_byte_order_mark(self, tmp_path):
        (tmp_path / "test.tsv").write_bytes(b"\xef\xbb\xbftext\tlabel\n\xffood\t1\n")
        with pytest.raises(DataError, match="line 2 has the byte 0xff"):
            FileData(str(tmp_path)).setup("test")

    def test_a_character_cut_off_by_the_end_of_the_file_is_refused(self, tmp_path):
        (tmp_path / "test.tsv").write_bytes(b"text\tlabel\ngood\t1\xe2\x82")
        with pytest.raises(DataError, match="line 2 has the byte 0xe2"):
            FileData(str(tmp_path)).setup("test")

    @pytest.mark.parametrize("quoted", ['"never closed,1\nbad,0\n', '"closed" too early,1\n', '"closed",1\n"never'])
    def test_quotation_marks_out_of_balance_are_refused_by_the_row(self, tmp_path, quoted):
        (tmp_path / "test.csv").write_text(f"text,label\ngood,1\n{quoted}")
        after = 3 if quoted.endswith("never") else 2
        with pytest.raises(DataError, match=f"as a table after row {after}: .* Close every quotation mark"):
            FileData(str(tmp_path)).setup("test")

    @pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
    def test_a_line_of_five_megabytes_is_a_text(self, tmp_path, kind):
        long = "long " * 1_000_000
        content = {
            "tsv": f"text\tlabel\n{long}\t1\n",
            "csv": f'text,label\n"{long}",1\n',
            "jsonl": json.dumps({"text": long, "label": 1}),
        }
        (tmp_path / f"test.{kind}").write_text(content[kind])
        assert FileData(str(tmp_path)).read("test").texts == (long,)

    def test_long_names_are_cut_in_messages(self, tmp_path):
        columns = [f"column {number} " + "x" * 100 for number in range(2_000)]
        (tmp_path / "test.tsv").write_text("\t".join([*columns, "\n" * 2]))
        for number in range(20):
            (tmp_path / f"file {number}").touch()
        options = [{}, {"test": "missing.tsv"}, {"test": "x" * 5_000 + ".tsv"}]
        for option in options:
            with pytest.raises(DataError) as caught:
                FileData(str(tmp_path), **option).setup("test")
            assert re.search("and [0-9,]+ more", str(caught.value))
            assert len(str(caught.value)) < 2_500
        (tmp_path / "train.jsonl").write_text(
            "".join(json.dumps({"text": f"text {n}", "label": f"{n} {'y' * 500}"}) + "\n" for n in range(300))
        )
        (tmp_path / "other.jsonl").write_text(json.dumps({"text": "x", "label": "z" * 10_000}))
        data = FileData(str(tmp_path), test="other.jsonl")
        data.use_classes(data.class_names)
        data.setup("test")
        with pytest.raises(DataError, match="and 290 more") as caught:
            data.labels("test")
        assert len(str(caught.value)) < 1_500

    @pytest.mark.parametrize("folder", ["x" * 5_000, "~nobody-of-that-name/x", "a\0b"])
    def test_folders_that_cannot_be(self, folder):
        with pytest.raises(DataError, match=r"data\.folder="):
            FileData(folder).setup("test")

    def test_a_folder_is_no_file(self, tmp_path):
        (tmp_path / "rows.tsv").mkdir()
        for options in ({"test": "rows.tsv"}, {"predict": "rows.tsv"}):
            with pytest.raises(DataError, match=r"rows\.tsv is a folder, not a file"):
                FileData(str(tmp_path), **options).setup("predict" if "predict" in options else "test")


class TestClassNames:
    @pytest.mark.parametrize("twins", [("pos", "pos "), (" pos", "pos"), ("a\tb", "a b"), ("a\nb", "a  b")])
    def test_labels_that_differ_only_in_white_space_are_refused(self, tmp_path, twins):
        rows = [{"text": f"text {n}", "label": label} for n, label in enumerate(["other", *twins] * 4)]
        (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
        with pytest.raises(
            DataError, match=r"train\.jsonl has the labels .* equal or differ only in white space"
        ) as caught:
            FileData(str(tmp_path)).setup("fit")
        assert all(repr(twin) in str(caught.value) for twin in twins)
        for names in (twins, ["other", "other"]):
            with pytest.raises(DataError, match="the model has the labels"):
                FileData(str(tmp_path)).use_classes(names)

    @pytest.mark.parametrize("twins", [("Pos", "pos"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "stra\u00dfe")])
    def test_labels_that_look_alike_are_told(self, tmp_path, caplog, twins):
        write_tsv(tmp_path / "train.tsv", [(f"text {n}", twins[n % 2]) for n in range(20)])
        with caplog.at_level("INFO"):
            assert set(read_all(FileData(str(tmp_path)))) == set(twins)
            FileData(str(tmp_path)).use_classes(twins)  # as a model does after that
        assert caplog.text.count("are nearly the same") == 1
        assert "are nearly the same and count as two classes" in caplog.text

    def test_a_fit_says_its_classes(self, tmp_path, caplog):
        write_tsv(tmp_path / "train.tsv", [(f"text {n}", f"class {n % 12:02}") for n in range(60)])
        write_tsv(tmp_path / "val.tsv", [("text", "class 00")])
        with caplog.at_level("INFO"):
            FileData(str(tmp_path), limit_train=30).setup("fit")
        assert "train.tsv: 12 classes (rows to train on): class 00 (2), class 01 (2)" in caplog.text
        assert "class 09 (2) and 2 more" in caplog.text


def test_texts_that_are_all_equal_are_refused_in_words(tmp_path):
    write_tsv(tmp_path / "train.tsv", [("the same", label) for label in ("pos", "neg") * 10])
    with pytest.raises(DataError, match=r"all 18 texts of .*train\.tsv to train on are 'the same'"):
        FileData(str(tmp_path)).setup("fit")


@pytest.mark.parametrize("options", [{"seed": -1}, {"batch_size": 10**20}, {"limit_train": 2**63}], ids=str)
def test_numbers_outside_what_is_possible_are_refused(options):
    with pytest.raises(ConfigError, match=f"data.{next(iter(options))} must "):
        ReviewsData(**options)


class TestHubData:
    def test_numbers_of_classes_become_their_names_in_the_configuration_that_was_asked_for(self, monkeypatch):
        import datasets

        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
        )

        def load(name, config, split):
            assert (name, config) == ("glue", "sst2")
            labels = [-1, -1] if split == "test" else [1, 0]
            return datasets.Dataset.from_dict({"text": [f"good {split}", "bad"], "label": labels}, features=features)

        monkeypatch.setattr(datasets, "load_dataset", load)
        data = HubData("glue", config="sst2")
        assert data.read("train").labels == ("yes", "no")
        assert data.read("predict").texts == ("good test", "bad")
        assert data.read("predict").labels == ("", "")  # -1 there stands for a label that is not told

    def test_a_missing_split_and_column_are_named(self, hub, monkeypatch, tmp_path_factory):
        monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        with pytest.raises(DataError, match="split 'nowhere'"):
            HubData(str(hub), test="nowhere").setup("test")
        with pytest.raises(DataError, match="no column 'review'"):
            HubData(str(hub), text="review").setup("test")

    def test_an_unreachable_data_set_names_the_way_out(self, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(DataError, match="--data=FileData"):
            HubData("somebody/nothing").setup("test")

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"text": ["a", "b"]}, r"\(train\), row 2: the text in 'text' is a list"),
            ({"label": ["a", "b"]}, r"\(train\), row 2: the label in 'label' is a list"),
        ],
        ids=["text", "label"],
    )
    def test_lists_in_columns_are_refused(self, monkeypatch, changed, message):
        import datasets

        column = next(iter(changed))
        rows = [{"text": "x", "label": "y"} | {column: [value]} for value in changed[column]]
        rows[0][column] = rows[1][column] = ["a", "b"]
        monkeypatch.setattr(datasets, "load_dataset", lambda *args, **options: datasets.Dataset.from_list(rows))
        with pytest.raises(DataError, match=message.replace("row 2", "row 1")):
            HubData("anything").read("train")
