"""The defects of article 000, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("000-01", section="1", kind="claim", title="The inventor of GANs bears another person's name"),
    Defect(
        "000-02", section="2.1", kind="omission", title="Addition and multiplication without the rule of broadcasting"
    ),
    Defect("000-03", section="2.1", kind="claim", title="The dot product loses all axes"),
    Defect("000-04", section="2.1", kind="claim", title="Transposing without an order of the axes"),
    Defect("000-05", section="2.1", kind="omission", title="A sum that knows no axis"),
    Defect("000-06", section="2.2", kind="omission", title="Weights are to be initialised, with what is not said"),
    Defect("000-07", section="3.1.1", kind="claim", title="The generator begins with the convolution of a vector"),
    Defect("000-08", section="3.1.1", kind="claim", title="The generator's layers are said to reduce the noise"),
    Defect(
        "000-09", section="3.1.1", kind="claim", title="The output is put into [0, 1], whatever the range of the data"
    ),
    Defect(
        "000-10",
        section="3.1.2",
        kind="claim",
        title="Batch norm on the discriminator's last layer hides the difference it should see",
    ),
    Defect("000-11", section="3.2.1", kind="claim", title="The discriminator's goal leaves out the real images"),
    Defect("000-12", section="3.2.1", kind="claim", title="Both players are said to maximise the same value"),
    Defect(
        "000-13",
        section="3.2.1",
        kind="formula",
        title="The formula's generator gets no gradient when it loses, the listing's does",
    ),
    Defect("000-14", section="3.2.2", kind="claim", title="One loss is listed as two"),
    Defect(
        "000-15",
        section="3.2.2",
        kind="claim",
        title="The generator is to come near to the real images by mean squared error",
    ),
    Defect("000-16", section="4", kind="listing", title="Variable scopes are gone"),
    Defect(
        "000-17", section="4", kind="listing", title="Layers as functions are gone, also from the compatibility module"
    ),
    Defect("000-18", section="4", kind="listing", title="The session and its initialiser are gone"),
    Defect("000-19", section="4", kind="listing", title="Seven names are used and never given a value"),
    Defect(
        "000-20",
        section="4",
        kind="listing",
        title="In the second epoch the generator is built again under the same names",
    ),
    Defect("000-21", section="4", kind="listing", title="The discriminator is reused before it exists"),
    Defect("000-22", section="4", kind="listing", title="Variables are initialised before any exists"),
    Defect("000-23", section="4", kind="listing", title="A symbol is fed in place of numbers"),
    Defect("000-24", section="4", kind="listing", title="The listed networks are not the ones described"),
    Defect(
        "000-25", section="4", kind="listing", title="The discriminator does not see the last three rows and columns"
    ),
    Defect("000-26", section="4", kind="listing", title="The sigmoid is applied twice"),
    Defect(
        "000-27",
        section="4",
        kind="listing",
        title="The discriminator is trained on generated images against generated images",
    ),
    Defect("000-28", section="4", kind="omission", title="Nothing says which weights an update may move"),
    Defect("000-29", section="4", kind="listing", title="An epoch is one update"),
    Defect("000-30", section="4", kind="listing", title="Every epoch adds to the graph"),
    Defect("000-31", section="4", kind="omission", title="No image is drawn and nothing is measured"),
    Defect(
        "000-32",
        section="6, question 1",
        kind="claim",
        title="The GAN is said to aim at similar data, the VAE alone at the distribution",
    ),
    Defect(
        "000-33", section="6, question 2", kind="claim", title="A sigmoid output is recommended against bad gradients"
    ),
    Defect(
        "000-34",
        section="6, question 2",
        kind="claim",
        title="Gradient clipping is recommended against a gradient that vanishes",
    ),
)
