"""The defects of article 004, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "004-01", section="1", kind="omission", title="Tuning is promised, and nothing says how to compare two settings"
    ),
    Defect(
        "004-02", section="1", kind="claim", title="The game is said to let GANs learn the distribution of the data"
    ),
    Defect(
        "004-03",
        section="2.1.2",
        kind="claim",
        title="The discriminator is said to give a probability, and its program gives a logit",
    ),
    Defect("004-04", section="3.1", kind="claim", title="The generator is to move its samples away from the noise"),
    Defect("004-05", section="4", kind="listing", title="The size of a batch is used and never set"),
    Defect("004-06", section="4", kind="listing", title="Everything is defined and nothing is run"),
    Defect("004-07", section="4", kind="listing", title="The discriminator's loss is a sum of raw logits"),
    Defect("004-08", section="4", kind="listing", title="The generator minimises the logit that it should raise"),
    Defect("004-09", section="4", kind="listing", title="All real pictures meet one batch of generated ones"),
    Defect("004-10", section="4", kind="listing", title="A loss of many numbers is differentiated"),
    Defect("004-11", section="4", kind="listing", title="The discriminator's step records the generator"),
    Defect("004-12", section="4", kind="omission", title="Two settings are compared under different draws"),
    Defect("004-13", section="4", kind="listing", title="A reshape that does nothing, or hides a mistake"),
    Defect(
        "004-14", section="5", kind="claim", title="Mode collapse is said to be identical samples and failed training"
    ),
    Defect("004-15", section="5", kind="claim", title="Evaluation is said to rest mainly on human judgement"),
    Defect("004-16", section="5", kind="claim", title="GANs are said to be limited to pictures"),
    Defect("004-17", section="6", kind="claim", title="Only autoencoders are said to learn the distribution"),
    Defect(
        "004-18", section="6", kind="claim", title="An autoencoder is said to be trained by variational maximisation"
    ),
    Defect("004-19", section="6", kind="claim", title="Gradient normalisation is listed as a loss"),
    Defect(
        "004-20", section="6", kind="omission", title="The Wasserstein loss is named without its bound on the slope"
    ),
    Defect("004-21", section="6", kind="omission", title="Only a loss is to be chosen, and the restraint is left out"),
    Defect(
        "004-22",
        section="6",
        kind="claim",
        title="Clipping and plain gradient descent are named as cures of mode collapse",
    ),
)
