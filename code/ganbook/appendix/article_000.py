"""The defects of article 000, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("000-01", "1", "claim", "The inventor of GANs bears another person's name"),
    Defect("000-02", "2.1", "omission", "Addition and multiplication without the rule of broadcasting"),
    Defect("000-03", "2.1", "claim", "The dot product loses all axes"),
    Defect("000-04", "2.1", "claim", "Transposing without an order of the axes"),
    Defect("000-05", "2.1", "omission", "A sum that knows no axis"),
    Defect("000-06", "2.2", "omission", "Weights are to be initialised, with what is not said"),
    Defect("000-07", "3.1.1", "claim", "The generator begins with the convolution of a vector"),
    Defect("000-08", "3.1.1", "claim", "The generator's layers are said to reduce the noise"),
    Defect("000-09", "3.1.1", "claim", "The output is put into [0, 1], whatever the range of the data"),
    Defect(
        "000-10", "3.1.2", "claim", "Batch norm on the discriminator's last layer hides the difference it should see"
    ),
    Defect("000-11", "3.2.1", "claim", "The discriminator's goal leaves out the real images"),
    Defect("000-12", "3.2.1", "claim", "Both players are said to maximise the same value"),
    Defect("000-13", "3.2.1", "formula", "The formula's generator gets no gradient when it loses, the listing's does"),
    Defect("000-14", "3.2.2", "claim", "One loss is listed as two"),
    Defect("000-15", "3.2.2", "claim", "The generator is to come near to the real images by mean squared error"),
    Defect("000-16", "4", "listing", "Variable scopes are gone"),
    Defect("000-17", "4", "listing", "Layers as functions are gone, also from the compatibility module"),
    Defect("000-18", "4", "listing", "The session and its initialiser are gone"),
    Defect("000-19", "4", "listing", "Seven names are used and never given a value"),
    Defect("000-20", "4", "listing", "In the second epoch the generator is built again under the same names"),
    Defect("000-21", "4", "listing", "The discriminator is reused before it exists"),
    Defect("000-22", "4", "listing", "Variables are initialised before any exists"),
    Defect("000-23", "4", "listing", "A symbol is fed in place of numbers"),
    Defect("000-24", "4", "listing", "The listed networks are not the ones described"),
    Defect("000-25", "4", "listing", "The discriminator does not see the last three rows and columns"),
    Defect("000-26", "4", "listing", "The sigmoid is applied twice"),
    Defect("000-27", "4", "listing", "The discriminator is trained on generated images against generated images"),
    Defect("000-28", "4", "omission", "Nothing says which weights an update may move"),
    Defect("000-29", "4", "listing", "An epoch is one update"),
    Defect("000-30", "4", "listing", "Every epoch adds to the graph"),
    Defect("000-31", "4", "omission", "No image is drawn and nothing is measured"),
    Defect(
        "000-32", "6, question 1", "claim", "The GAN is said to aim at similar data, the VAE alone at the distribution"
    ),
    Defect("000-33", "6, question 2", "claim", "A sigmoid output is recommended against bad gradients"),
    Defect("000-34", "6, question 2", "claim", "Gradient clipping is recommended against a gradient that vanishes"),
)
