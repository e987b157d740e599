"""The defects of article 004, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("004-01", "1", "omission", "Tuning is promised, and nothing says how to compare two settings"),
    Defect("004-02", "1", "claim", "The game is said to let GANs learn the distribution of the data"),
    Defect(
        "004-03", "2.1.2", "claim", "The discriminator is said to give a probability, and its program gives a logit"
    ),
    Defect("004-04", "3.1", "claim", "The generator is to move its samples away from the noise"),
    Defect("004-05", "4", "listing", "The size of a batch is used and never set"),
    Defect("004-06", "4", "listing", "Everything is defined and nothing is run"),
    Defect("004-07", "4", "listing", "The discriminator's loss is a sum of raw logits"),
    Defect("004-08", "4", "listing", "The generator minimises the logit that it should raise"),
    Defect("004-09", "4", "listing", "All real pictures meet one batch of generated ones"),
    Defect("004-10", "4", "listing", "A loss of many numbers is differentiated"),
    Defect("004-11", "4", "listing", "The discriminator's step records the generator"),
    Defect("004-12", "4", "omission", "Two settings are compared under different draws"),
    Defect("004-13", "4", "listing", "A reshape that does nothing, or hides a mistake"),
    Defect("004-14", "5", "claim", "Mode collapse is said to be identical samples and failed training"),
    Defect("004-15", "5", "claim", "Evaluation is said to rest mainly on human judgement"),
    Defect("004-16", "5", "claim", "GANs are said to be limited to pictures"),
    Defect("004-17", "6", "claim", "Only autoencoders are said to learn the distribution"),
    Defect("004-18", "6", "claim", "An autoencoder is said to be trained by variational maximisation"),
    Defect("004-19", "6", "claim", "Gradient normalisation is listed as a loss"),
    Defect("004-20", "6", "omission", "The Wasserstein loss is named without its bound on the slope"),
    Defect("004-21", "6", "omission", "Only a loss is to be chosen, and the restraint is left out"),
    Defect("004-22", "6", "claim", "Clipping and plain gradient descent are named as cures of mode collapse"),
)
